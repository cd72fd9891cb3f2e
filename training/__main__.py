"""``python -m training``, from a checkout: from simulated jets to the evaluation of what was trained on them."""

from __future__ import annotations

import sys

import typer

from coffea_mljec.errors import MLJECError
from training.cli import commands
from training.cli import evaluate as evaluate
from training.cli import realism as realism
from training.learning import ensemble, export, search, train

__all__ = ["app", "main"]

app = typer.Typer(
    help="Simulate jets, derive their standard correction, train on them, export and evaluate.",
    no_args_is_help=True,
    add_completion=False,
)
for command in (commands.simulate, commands.derive, commands.calibrate, commands.merge):
    app.command()(command)
app.command("realism")(realism.command)
app.command("train")(train.command)
app.command("search")(search.command)
app.command("export")(export.command)
app.command("ensemble")(ensemble.command)
app.command("evaluate")(evaluate.command)


def main() -> None:
    """Run a command; our errors end it with one line instead of a traceback."""
    try:
        app()
    except MLJECError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
