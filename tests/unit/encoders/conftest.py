"""Make pytest rewrite the asserts of the encoder contract, so that failures show values."""

import pytest

pytest.register_assert_rewrite("encoder_contract")
