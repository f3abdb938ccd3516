"""Every encoder family is tested by the contract."""

import re
from pathlib import Path

from lunar_models.encoders.build import ENCODERS


def test_every_encoder_has_its_contract() -> None:
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    found = re.findall(
        r"class Test\w+\((?:SeesViews, )?EncoderContract\):\n    name = \"(\w+)\"", text
    )
    assert set(found) == set(ENCODERS)
