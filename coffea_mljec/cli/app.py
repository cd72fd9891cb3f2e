"""``mljec``: its commands, and how errors reach the user."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from inspect import cleandoc
from typing import Annotated, NoReturn

import typer

from coffea_mljec.cli.apply import apply
from coffea_mljec.cli.demo import demo
from coffea_mljec.cli.eras import eras
from coffea_mljec.cli.import_weaver import import_weaver
from coffea_mljec.cli.inspect import inspect
from coffea_mljec.cli.models import models
from coffea_mljec.cli.options import flattened
from coffea_mljec.cli.report import report
from coffea_mljec.cli.sign import sign
from coffea_mljec.cli.terminal import forget_no_width, out, say_error, say_warning
from coffea_mljec.cli.validate import validate
from coffea_mljec.cli.verify import verify
from coffea_mljec.errors import MLJECError
from coffea_mljec.nano import quiet_coffea
from coffea_mljec.support.ending import end_on_signals

__all__ = ["app", "main"]

app = typer.Typer(
    name="mljec",
    help="Machine-learned jet energy corrections on NanoAOD. Start with [bold]mljec inspect FILE[/].",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(asked: bool) -> None:
    if asked:
        out.print(f"coffea-mljec {version('coffea-mljec')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options of ``mljec`` itself."""


for command in (apply, validate, report, inspect, eras, models, import_weaver, demo, sign, verify):
    # typer keeps the line breaks of the source; a paragraph is to fill the terminal's width.
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    app.command(help="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs))(flattened(command))


def main() -> NoReturn:
    """Run ``mljec``. What the package refuses is one red message and exit status 2; all else keeps its traceback."""
    end_on_signals()
    quiet_coffea()
    forget_no_width()
    with warnings.catch_warnings():
        warnings.showwarning = say_warning
        try:
            app()
        except MLJECError as error:
            say_error(error)
            sys.exit(2)
    sys.exit(0)
