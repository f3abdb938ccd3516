"""Damage files at random: cut off, changed, repeated, put in."""

import random
from collections.abc import Sequence


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
