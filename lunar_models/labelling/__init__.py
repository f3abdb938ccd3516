"""Collect labels that people give by eye: the scheme, the votes, their store, who sees what."""

from lunar_models.labelling.scheme import Scheme, default_scheme, read_scheme
from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import Vote, current_votes

__all__ = ["LabelStore", "Scheme", "Vote", "current_votes", "default_scheme", "read_scheme"]
