"""``make docs``: gather the sources, write the pages that come from the program, run Sphinx over all of them.

The tree below ``build/docs-source`` looks like the repository's, so that a link between two files is the same here and
there. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "build" / "docs-source"
#: What pages show or link to, besides themselves.
BESIDE = ("examples", "training/reports", "training/configs", "tests/benchmarks", "tests/README.md")
PAGES_OF_THE_ROOT = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md")


def gather() -> None:
    """Copy the pages, the notebooks, and what they link to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__", "build.py", "from_program.py", "*.json", ".ipynb_checkpoints")
    shutil.copytree(ROOT / "docs", SOURCE / "docs", ignore=ignore)
    for path in BESIDE:
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, SOURCE / path, ignore=ignore)
        elif (ROOT / path).exists():
            shutil.copy(ROOT / path, SOURCE / path)
    for path in (ROOT / "examples" / "notebooks").glob("*.ipynb"):
        shutil.copy(path, SOURCE / "docs" / "tutorials" / path.name)


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
