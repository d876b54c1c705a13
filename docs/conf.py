# SPDX-License-Identifier: Apache-2.0
"""How Sphinx builds the pages: ``./dev docs``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import libcontainer

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).resolve().parents[1]

project = "libcontainer"
author = "the libcontainer authors"
version = release = libcontainer.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
nitpicky = True
# A class that has an attribute `type` makes the built-in of that name ambiguous.
suppress_warnings = ["ref.python"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_class_signature = "separated"
# A single backtick in a docstring names a Python object.
default_role = "py:obj"

# Quotes become typographic; the two hyphens of an option stay what they are.
smartquotes_action = "qe"

# A block without a word for its language is what a program printed.
highlight_language = "none"

html_theme = "furo"
html_title = f"libcontainer {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False

man_pages = [
    (
        "reference/libcontainer",
        "libcontainer",
        "run containers of OCI bundles",
        author,
        1,
    ),
    ("reference/nsinit", "nsinit", "run a command as container.json says", author, 1),
]
man_show_urls = False

# Files beside docs/ that have a page here, which includes them.
PAGES_OF_FILES = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "README.md": "index.md",
    "examples/README.md": "project/examples.md",
    "examples/sample_configs/README.md": "project/sample_configs.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def _link_within(page: Path, target: str, anchor: str) -> str:
    """Return the link from *page* to what *target* names, as Sphinx has it."""
    path = (page.parent / target).resolve()
    try:
        name = str(path.relative_to(ROOT))
    except ValueError:
        return f"]({target}{anchor})"
    if name in PAGES_OF_FILES:
        return f"](/{PAGES_OF_FILES[name]}{anchor})"
    if name.startswith("docs/") and path.suffix == ".md":
        return f"](/{name.removeprefix('docs/')}{anchor})"
    if name.startswith("docs/"):
        return f"]({target}{anchor})"
    # What is not part of the pages is named, not linked.
    return f"] (`{name}`)"


def rewrite_links(text: str, page: Path) -> str:
    """Return a page's text with links that lead to pages of this build.

    The same files are read in the repository, where links go from file to file.
    """

    def rewritten(match: re.Match[str]) -> str:
        return _link_within(page, match[1], match[2] or "")

    return _LINK.sub(rewritten, text)


def _on_source_read(app: Sphinx, name: str, content: list[str]) -> None:
    page = Path(str(app.env.doc2path(name)))
    if page.suffix == ".md":
        content[0] = rewrite_links(content[0], page)


def _on_include_read(
    app: Sphinx, included: Path, parent: str, content: list[str]
) -> None:
    del app, parent
    path = (ROOT / "docs" / included).resolve()
    if path.suffix == ".md":
        content[0] = rewrite_links(content[0], path)


def _on_missing_reference(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Node | None:
    """Lead a private path to the public page; let other libraries' names be."""
    target = str(node.get("reftarget", ""))
    if node.get("refdomain") != "py":
        return None
    last = target.rpartition(".")[2]
    for name in (f"libcontainer.{target}", f"libcontainer.{last}"):
        found = env.domains["py"].resolve_xref(  # type: ignore[attr-defined]
            env, node["refdoc"], app.builder, "obj", name, node, content
        )
        if found is not None:
            return found
    is_ours = target.startswith("libcontainer.") and last in libcontainer.__all__
    return None if is_ours else content


def setup(app: Sphinx) -> None:
    """Connect what is above with the build."""
    app.connect("source-read", _on_source_read)
    app.connect("include-read", _on_include_read)
    app.connect("missing-reference", _on_missing_reference)
