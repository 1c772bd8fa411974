"""The course's site. It is built from ``build/site/source/``, where ``python -m autograder.site`` puts it together."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

project = "Convolutional networks"
html_title = "A course on convolutional networks"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
exclude_patterns = ["_ext", "README.md"]
nitpicky = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "html_image"]
myst_heading_anchors = 3
# Notebooks come with their outputs.
nb_execution_mode = "off"
nb_merge_streams = True

html_math_renderer = "mathml"
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_extra_path = ["_extra"]
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    # One search box, in the sidebar, and no bar above it.
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "footer_content_items": ["extra-footer"],
    "extra_footer": "<p>Text and figures: CC BY 4.0. Code: BSD 3-Clause.</p>",
}
html_context = {"default_mode": "auto"}
html_copy_source = False
html_use_index = False
html_domain_indices = False
html_show_sourcelink = False
# Lines of what was found would be fetched, which browsers refuse to pages that are opened from a disk.
html_show_search_summary = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
