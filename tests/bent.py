"""Corrupt files and JSON at random: truncate, change, repeat and insert."""

import random
from collections.abc import Sequence
from typing import Any

SECRET = "zqx7-never-repeated"
"""A text that no refusal may repeat."""
NODES: list[Any] = [None, True, 0, -1, 2**63, 2**200, 1e308, float("nan"), float("inf")]
NODES += ["", "\0", "\ud800", SECRET, "x" * 3000, ["x"] * 3000]
NODES += [[], {}, [[[[[]]]]], {"a": {"b": {}}}, {"": None}, {"__proto__": 1}]


def bent(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A few of the ways to damage a file; `others` give pieces of foreign files."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(max(len(changed), 1))
        how = dice.randrange(7)
        if how == 0:
            del changed[at:]
        elif how == 1 and changed:
            changed[at] = dice.randrange(256)
        elif how == 2:
            changed[at : at + 4] = dice.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
        elif how == 3:
            changed[at:at] = dice.randbytes(dice.randrange(1, 64))
        elif how == 4:  # the same piece again and again
            piece = bytes(changed[at : at + dice.randrange(1, 64)])
            changed[at:at] = piece * dice.choice([2, 20, 2000])
        elif how == 5:
            other = dice.choice(others)
            changed[at:] = other[dice.randrange(len(other)) :]
        elif changed:
            del changed[at : at + dice.randrange(1, 64)]
    return bytes(changed)


def bent_json(dice: random.Random, value: Any) -> Any:
    """One node of a JSON value replaced, dropped or added."""
    if dice.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return dice.choice(NODES)
    key = dice.choice(list(value)) if isinstance(value, dict) else dice.randrange(len(value))
    changed = value.copy()
    if dice.random() < 0.15:
        del changed[key]
    elif dice.random() < 0.1 and isinstance(value, dict):
        changed[dice.choice(["x", ""])] = dice.choice(NODES)
    else:
        changed[key] = bent_json(dice, value[key])
    return changed
