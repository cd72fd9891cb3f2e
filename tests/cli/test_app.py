"""``mljec`` itself: help that teaches, errors without a traceback."""

from __future__ import annotations

import warnings

import pytest

import coffea_mljec
from coffea_mljec.cli import app as app_module
from coffea_mljec.cli.terminal import say_warning


@pytest.mark.parametrize("command", ["apply", "validate", "inspect", "models", "demo"])
def test_help_has_examples(mljec, command):
    status, printed, _ = mljec(command, "--help")
    assert status == 0
    assert f"mljec {command}" in printed.split("Example")[1]


def test_help_lists_the_commands(mljec):
    status, printed, _ = mljec("--help")
    assert status == 0
    for command in ("apply", "validate", "inspect", "models", "demo"):
        assert f" {command} " in printed


def test_the_version(mljec):
    assert mljec("--version")[:2] == (0, f"coffea-mljec {coffea_mljec.__version__}\n")


def test_an_unknown_command(mljec):
    status, _, said = mljec("correct")
    assert status == 2
    assert "No such command 'correct'" in said


def test_markup_in_a_message_is_printed_as_it_is(mljec):
    assert "no model '[bold]x[/]'" in mljec("models", "[bold]x[/]")[2]


def test_errors_that_are_not_ours_keep_their_traceback(mljec, monkeypatch):
    def broken() -> None:
        raise ZeroDivisionError("ours to mend")

    monkeypatch.setattr(app_module, "app", broken)
    with pytest.raises(ZeroDivisionError, match="ours to mend"):
        app_module.main()


def test_a_warning_is_one_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = say_warning
        warnings.warn("careful with [this]", UserWarning, stacklevel=1)
    assert capsys.readouterr().err.strip() == "warning: careful with [this]"
