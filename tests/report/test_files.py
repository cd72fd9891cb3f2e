"""The report: all files are there, whole, and no figure needs a display or leaves matplotlib changed."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec.errors import InputError, MLJECError
from coffea_mljec.report import write_report
from coffea_mljec.validation import summarise


def test_writes_numbers_tables_and_plots(toy: Any, tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    report = write_report({"response": summarise(toy.accumulated)}, tmp_path / "new" / "folder", formats=("png",))
    assert dict(matplotlib.rcParams) == before
    assert json.loads(report.numbers.read_text())["providers"] == ["standard", "model"]
    assert report.table.read_text().startswith("**By flavour")
    kinds = ("median", "resolution", "flavours", "response")
    names = {f"{kind}_{region}.png" for kind in kinds for region in ("central", "forward")}
    assert {path.name for path in report.plots} == names
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n") for path in report.plots)
    written = {path for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert written == {report.numbers, report.table, report.page, *report.plots}


def test_nothing_filled_makes_no_plots_and_no_rows(toy: Any, tmp_path: Path) -> None:
    report = write_report(
        {"response": summarise(toy.make({"standard": "standard"}, keep=0))}, tmp_path, formats=("pdf",)
    )
    assert report.plots == []
    assert "Left out: 12 of 12 rows, with too few jets." in report.table.read_text()


def test_plots_in_other_formats(toy: Any, tmp_path: Path) -> None:
    report = write_report({"response": summarise(toy.accumulated)}, tmp_path, formats=("pdf",))
    assert len(report.plots) == 8
    assert all(path.read_bytes().startswith(b"%PDF-") for path in report.plots)


def test_without_plots_matplotlib_is_not_needed(toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert write_report({"response": summarise(toy.accumulated)}, tmp_path, formats=()).plots == []
    with pytest.raises(MLJECError, match=r"pip install 'coffea-mljec\[plot\]'"):
        write_report({"response": summarise(toy.accumulated)}, tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_half_one(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report({"response": summarise(toy.accumulated)}, tmp_path, formats=())
    old = (tmp_path / "numbers.json").read_bytes()

    def fail(self: Path, text: str, **options: Any) -> None:
        self.write_bytes(text[:100].encode())
        raise RuntimeError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        write_report({"response": summarise(toy.accumulated)}, tmp_path, formats=())
    assert (tmp_path / "numbers.json").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numbers.json", "report.html", "table.md"]


def test_unknown_format_is_refused_before_anything_is_written(toy: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown plot formats \['jpg'\]; choose from png, pdf, svg"):
        write_report({"response": summarise(toy.accumulated)}, tmp_path / "none", formats=("jpg",))
    assert not (tmp_path / "none").exists()
