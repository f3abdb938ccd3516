"""The interactive page: the Moon and the embedding side by side, in one file."""

from lunar_models.page.write import write_page

__all__ = ["write_page"]
