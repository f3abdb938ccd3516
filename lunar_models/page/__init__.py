"""Write the interactive page (map and embedding side by side) and the report of a run."""

from lunar_models.page.write import write_page

__all__ = ["write_page"]
