"""Sphinx configuration: ``make docs`` builds the site offline, with warnings as errors."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("MPLBACKEND", "Agg")

import lunar_models  # noqa: E402

project = "Lunar Models"
author = "Lunar Models contributors"
copyright = "2026, Lunar Models contributors"
version = release = lunar_models.__version__

# Members inherited from third-party base classes are documented there. Packages re-export names, so
# that a Python reference has two targets of equal content; which one is linked does not matter.
suppress_warnings = ["ref.term", "ref.ref", "ref.python"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # formulas without a network
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "api/_autosummary/lunar_models.rst"]

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

# Docstrings are Google style; a single backtick marks code, as everywhere in this project.
default_role = "code"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# "Returns:" may list several values, like "Args:".
napoleon_custom_sections = [("Returns", "params_style")]
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = f"Lunar Models {version}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
