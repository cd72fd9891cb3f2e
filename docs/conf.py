"""Sphinx's settings. ``docs/build.py`` runs it on a copy of this folder, with the pages that come from the program."""

from __future__ import annotations

import os
import re
from importlib import metadata
from typing import Any

import numba
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.ext.napoleon import NumpyDocstring

# Kernels are documented as the Python functions that they are compiled from; notebooks run in processes of their own.
numba.config.DISABLE_JIT = True

project = "coffea-mljec"
author = "the coffea-mljec authors"
copyright = author
release = metadata.version("coffea-mljec")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["**/.ipynb_checkpoints", "_build"]
nitpicky = False
suppress_warnings = [
    "ref.python",  # a name that a package re-exports: either target shows the same
    "mystnb.unknown_mime_type",
]

# Names between single backticks in docstrings become links where they name something, and plain code elsewhere.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_preprocess_types = False

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Executed once and kept: what a notebook shows is computed again when one of its cells changes, or after `make clean`.
nb_execution_mode = os.environ.get("MLJEC_DOCS_NOTEBOOKS", "cache")
nb_execution_cache_path = os.environ.get("MLJEC_DOCS_CACHE", "")
nb_execution_timeout = -1
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_in_temp = True
nb_merge_streams = True
nb_ipywidgets_js = {}  # no widgets here, and nothing is fetched when a page is read

# Options of commands keep their two hyphens.
smartquotes = False

html_theme = "furo"
# MathJax would be fetched when a page is read; browsers know MathML.
html_math_renderer = "mathml"
html_title = f"coffea-mljec {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"source_edit_link": "", "navigation_with_keys": True}
copybutton_exclude = ".linenos, .gp, .go"


_CODE = re.compile(r"``.*?``|`[^`]*`|\|")


def plain_text(lines: list[str]) -> list[str]:
    """Docstrings are written for people: a bar is a bar (|eta|), and a name may be followed by anything (`a`[0])."""
    return [_CODE.sub(_escaped, re.sub(r"\[bold\](.*?)\[/\]", r"**\1**", line)) for line in lines]


def _escaped(found: re.Match[str]) -> str:
    if found[0] == "|":
        return "\\|"
    return found[0] + ("\\ " if re.match(r"[\w\[(]", found.string[found.end() :]) else "")


def _inline_formula(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _formula(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{tex2mathml(node.astext().strip(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> None:
    """Have every docstring read as plain text, and formulas written as MathML."""
    # Of the text below a constant, numpydoc's reader takes what stands before a colon for a type.
    NumpyDocstring._parse_attribute_docstring = lambda text: text._dedent(text._consume_to_end())
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.add_html_math_renderer("mathml", (_inline_formula, None), (_formula, None))


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = plain_text(lines)
