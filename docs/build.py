"""``make docs``: gather the sources, write the pages that come from the program, run Sphinx over all of them.

The tree below ``build/docs-source`` looks like the repository's, so that a link between two files is the same here and
there. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "docs-source"
#: What pages show or link to, besides themselves.
BESIDE = ("examples", "training/configs")
#: Reports and pages of the repository that become pages here: where they are -> where they go.
REPORTS = {"training/reports": "reports", "tests/benchmarks": "reports/benchmarks"}
PROJECT = {
    "ARCHITECTURE.md": "ARCHITECTURE.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "tests/README.md": "tests.md",
}
#: What changes in the links of pages, and of those of the repository's root.
LINKS = (
    ("../../training/reports/", "../reports/"),
    ("../../tests/benchmarks/", "../reports/benchmarks/"),
    ("../training/reports/", "reports/"),
    ("../../ARCHITECTURE.md", "../project/ARCHITECTURE.md"),
    ("../../examples/notebooks/", "../tutorials/"),
)
ROOT_LINKS = (("(docs/", "(../"), ("(tests/README.md", "(tests.md"))


def gather() -> None:
    """Copy the pages, the notebooks, the reports, and what they link to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    pages = SOURCE / "docs"
    ignore = shutil.ignore_patterns("__pycache__", "*.py", "*.json", ".ipynb_checkpoints")
    shutil.copytree(ROOT / "docs", pages, ignore=ignore)
    shutil.copy(ROOT / "docs" / "conf.py", pages)
    for path in BESIDE:
        shutil.copytree(ROOT / path, SOURCE / path, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for path, name in REPORTS.items():
        shutil.copytree(ROOT / path, pages / name, ignore=ignore, dirs_exist_ok=True)
    (pages / "tutorials").mkdir()
    for path in (ROOT / "examples" / "notebooks").glob("*.ipynb"):
        shutil.copy(path, pages / "tutorials" / path.name)
    for page in pages.rglob("*.md"):
        relink(page, LINKS)
    (pages / "project").mkdir()
    for path, name in PROJECT.items():
        relink(Path(shutil.copy(ROOT / path, pages / "project" / name)), ROOT_LINKS)


def relink(page: Path, links: Sequence[tuple[str, str]]) -> None:
    """Replace the beginnings of links in a copied page; give it a title if it has none."""
    text = page.read_text()
    if not re.match(r"(\([\w-]+\)=\n)?# ", text):
        text = f"# {page.parent.name.capitalize()}: {page.stem}\n\n{text}"
    for old, new in links:
        text = text.replace(old, new)
    page.write_text(text)


def build(output: Path, notebooks: bool) -> int:
    """Run Sphinx; a warning is an error."""
    sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
    from from_program import write_pages

    gather()
    write_pages(SOURCE / "docs" / "reference")
    os.environ["MLJEC_DOCS_NOTEBOOKS"] = "cache" if notebooks else "off"
    os.environ["MLJEC_DOCS_CACHE"] = str(ROOT / "build" / "docs-notebooks")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return sphinx(["-W", "--keep-going", "-q", "-d", str(ROOT / "build" / "docs-state"),
                   str(SOURCE / "docs"), str(output)])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "docs")
    parser.add_argument("--no-notebooks", action="store_true", help="show the notebooks without running them")
    options = parser.parse_args()
    status = build(options.output, not options.no_notebooks)
    if status == 0:
        print(f"open {options.output / 'index.html'}")
    sys.exit(status)


if __name__ == "__main__":
    main()
