"""Settings of the documentation; ``make docs`` builds it."""

import importlib.metadata

project = "atlash"
author = "The atlash developers"
copyright = f"2026, {author}"
release = importlib.metadata.version("atlash")

extensions = ["myst_parser"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"atlash {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
