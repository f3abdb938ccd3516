"""Asserts of the contract explain themselves as those of a test do."""

import pytest

pytest.register_assert_rewrite("encoder_contract")
