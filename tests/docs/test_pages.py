"""Links lead somewhere, the README is short, and the pages that come from the program say all that is in it."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import coffea_mljec
from coffea_mljec.features import CATALOGUE
from coffea_mljec.models import bundled
from tests.docs.pages import DOCS, PAGES, ROOT, blocks_of, links_of, name_of, sentences_of

README = ROOT / "README.md"
# Written by docs/from_program.py when the documentation is built.
GENERATED = {"cli", "training-cli", "features", "models", "status"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links_of(page.read_text()):
        path = page.parent / target.split("#")[0]
        made = path.resolve().parent == DOCS / "reference" and path.stem in GENERATED
        made = made or path.resolve().parent == DOCS / "reference" / "api" or path.name in {"flavours_central.png"}
        assert made or path.exists(), f"{name_of(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_cites_what_readers_do_not_have(page: Path) -> None:
    assert "DESIGN" not in page.read_text()


def test_readme_is_short() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 160
    words = [len(sentence.split()) for sentence in sentences_of(README.read_text())]
    assert max(words) <= 30
    assert sum(words) / len(words) <= 15


def test_pictures_and_links_also_work_on_a_package_index() -> None:
    """As soon as there is a public address: until then the README's relative ones are all there can be."""
    if tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls"):
        assert links_of(README.read_text()) == []


def test_the_citation_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_page_is_in_the_contents() -> None:
    index = (DOCS / "index.md").read_text()
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name == "index" or f"\n{name}\n" in index, name
    for notebook in (ROOT / "examples" / "notebooks").glob("*.ipynb"):
        assert f"\ntutorials/{notebook.stem}\n" in index


def test_pages_from_the_program(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the training's commands import it")
    runpy.run_path(str(DOCS / "from_program.py"))["write_pages"](tmp_path)
    pages = {path.relative_to(tmp_path).with_suffix("").as_posix(): path.read_text() for path in tmp_path.rglob("*.md")}
    assert set(pages) >= GENERATED
    commands = "apply", "validate", "report", "inspect", "eras", "models", "import-weaver", "demo", "sign", "verify"
    for command in commands:
        assert f"## `mljec {command}`" in pages["cli"]
    assert "--jec-json" in pages["cli"]
    assert "[bold]" not in pages["cli"]
    assert [block.language for block in blocks_of(pages["cli"])].count("sh") == 10
    assert "## `python -m training simulate`" in pages["training-cli"]
    for name in bundled():
        assert f"## {name}\n" in pages["models"]
    for names in CATALOGUE.values():
        for name in names:
            assert f"| `{name}` |" in pages["features"]
    for bit in coffea_mljec.Status:
        assert f"| {bit.value} | `{bit.name}` |" in pages["status"]
    for name in coffea_mljec.__all__:
        assert f":: coffea_mljec.{name}\n" in pages["api/index"]
    packages = {path.parent.name for path in (ROOT / "coffea_mljec").glob("*/__init__.py")}
    assert {f"api/coffea_mljec.{package}" for package in packages} <= set(pages)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_that_a_page_names_exist(page: Path) -> None:
    """`coffea_mljec/nano`, `training.derive.offset`, `validation.common.widths`: a file or folder, or a name in it."""
    rooms = {path.name for path in (ROOT / "coffea_mljec").iterdir() if path.is_dir()}
    for name in re.findall(r"`([\w/]+(?:[./]\w+)+/?)`", page.read_text()):
        parts = re.split(r"[./]", name.strip("/").removesuffix(".py"))
        if parts[0] in rooms and "." in name:
            parts = ["coffea_mljec", *parts]
        if parts[0] not in {"coffea_mljec", "training", "tests", "docs"} or page.name == "CHANGELOG.md":
            continue
        path, package = ROOT.joinpath(*parts), ROOT.joinpath(*parts[:-1])
        if path.exists() or path.with_suffix(".py").exists() or (ROOT / name).exists():
            continue
        module = package.with_suffix(".py") if package.with_suffix(".py").exists() else package / "__init__.py"
        assert module.exists(), f"{name_of(page)} names {name}"
        assert parts[-1] in module.read_text(), f"{name_of(page)} names {name}"


def test_every_report_is_in_the_contents() -> None:
    """Sphinx takes a page that no contents name for an error, and nobody would find it."""
    contents = (ROOT / "docs" / "index.md").read_text().splitlines()
    reports = ROOT / "training" / "reports"
    missing = [
        name
        for path in sorted(reports.rglob("*.md"))
        if (name := f"reports/{path.relative_to(reports).with_suffix('')}") not in contents
    ]
    assert not missing
