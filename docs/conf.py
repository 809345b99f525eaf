"""How Sphinx builds the documentation; `make docs` runs it with every warning as an error."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from napari_nnunet_em import __version__

project = "napari-nnunet-em"
author = "napari-nnunet-em developers"
copyright = "2026, napari-nnunet-em developers"  # noqa: A001  # the name that Sphinx reads
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated_reference"]
exclude_patterns = ["reference/generated"]
html_theme = "furo"
html_title = project

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
