"""Decide which craters are labelled twice, repeated or used for training: by hash, so for ever.

Nothing is drawn at random while the work goes on: the same craters, seed and votes give the same
tasks, on every worker process and after every restart.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


def draw(*parts: object) -> float:
    """Return a number in [0, 1) that depends on nothing but the parts."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest()) / 2.0**56


@dataclass(frozen=True)
class Design:
    """Who is asked about which crater how often.

    Raises:
        ValueError: a gold crater is also among those to label, or craters repeat.
    """

    craters: Sequence[str]
    """Ids of the N craters to label, in the order in which they are asked."""
    gold: Mapping[str, str] = field(default_factory=dict)
    """Right answer of each gold crater."""
    double_share: float = 0.3
    repeat_share: float = 0.1
    repeat_gap: int = 30
    gold_count: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.craters)) < len(self.craters):
            raise ValueError("a crater is listed twice")
        if shared := set(self.craters) & set(self.gold):
            raise ValueError(f"crater {min(shared)} is both gold and to be labelled")

    def wanted(self) -> npt.NDArray[np.int64]:
        """Return how many people shall label each crater: (N,), 1 or 2."""
        share = np.array([draw(self.seed, "double", crater) for crater in self.craters])
        return 1 + (share < self.double_share)

    def repeats(self, labeller: str, crater: str) -> bool:
        """Return whether the crater is shown to this person again."""
        return draw(self.seed, "repeat", labeller, crater) < self.repeat_share

    def withholds(self, labeller: str, crater: str) -> bool:
        """Return whether what others say of it is kept from this person for a while.

        That holds for what is shown again and for twice as many others: who is told nothing does
        not know whether it comes again.
        """
        return draw(self.seed, "repeat", labeller, crater) < 3.0 * self.repeat_share

    def withholding(self) -> int:
        """Return for how many answers it is: more than any gap and a page's store of tasks."""
        return 3 * self.repeat_gap

    def gap(self, labeller: str, crater: str) -> float:
        """Return after how many answers it is shown again: once to twice `repeat_gap`.

        The gaps differ, so that the second order is not the first.
        """
        return self.repeat_gap * (1.0 + draw(self.seed, "gap", labeller, crater))

    def training(self, labeller: str) -> list[str]:
        """Gold craters of this person's training, in their order."""
        order = sorted(self.gold, key=lambda crater: draw(self.seed, "gold", labeller, crater))
        return order[: self.gold_count]


def random_order(craters: Sequence[str], seed: int) -> list[str]:
    """Put craters into an order that depends on nothing but their ids and the seed."""
    return sorted(craters, key=lambda crater: draw(seed, "order", crater))
