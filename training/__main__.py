"""``python -m training``, from a checkout: from simulated jets to the evaluation of what was trained on them."""

from __future__ import annotations

import sys

import typer

from coffea_mljec.errors import MLJECError
from coffea_mljec.support.ending import end_on_signals
from training.cli import (
    calibrate,
    convert,
    derive,
    ensemble,
    evaluate,
    evaluate_dijets,
    evaluate_masses,
    evaluate_opendata,
    evaluate_pairs,
    exchange,
    export,
    export_weaver,
    fine_tune,
    heavy_background,
    merge,
    prepare,
    realism,
    redraw,
    search,
    simulate,
    study,
    tagging,
    train,
    unfolding,
)

__all__ = ["app", "main"]

app = typer.Typer(
    help="Simulate jets, derive their standard correction, train on them, export and evaluate.",
    no_args_is_help=True,
    add_completion=False,
)
for module in (
    simulate,
    convert,
    derive,
    calibrate,
    merge,
    realism,
    exchange,
    prepare,
    train,
    search,
    study,
    fine_tune,
    export,
    export_weaver,
    ensemble,
    evaluate,
    evaluate_opendata,
    evaluate_dijets,
    evaluate_masses,
    evaluate_pairs,
    redraw,
    heavy_background,
    tagging,
    unfolding,
):
    app.command(module.__name__.rpartition(".")[2].replace("_", "-"))(module.command)


def main() -> None:
    """Run a command; our errors end it with one line instead of a traceback."""
    end_on_signals()
    try:
        app()
    except MLJECError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
