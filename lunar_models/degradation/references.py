"""Define a reference: a paper as it is cited and as BibTeX has it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A paper, as it is cited."""

    key: str
    """BibTeX key."""
    authors: str
    """``Neukum, G., Ivanov, B. A., & Hartmann, W. K.``"""
    year: int
    title: str
    place: str
    """Journal, volume and pages, or what else leads to it."""
    doi: str | None = None

    def __str__(self) -> str:
        doi = f", doi {self.doi}" if self.doi else ""
        return f"{self.authors} ({self.year}), {self.title}, {self.place}{doi}"
