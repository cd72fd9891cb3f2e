"""``python -m training fine-tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["command"]


def command(
    model: Annotated[Path, typer.Argument(help="A finished run, a model folder or a bundled model.")],
    simulation: Annotated[list[Path], typer.Option(help="ROOT files or folders of simulated events; repeat it.")],
    data: Annotated[
        list[Path], typer.Option(help="ROOT files or folders of data: their truth is not read; repeat it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model folder to write.")],
    factor: Annotated[float, typer.Option("--f", min=0.0, help="Weight of the term; 0: simulation alone.")] = 1.0,
    way: Annotated[
        str, typer.Option(help="asymmetry; pairs: the likelihood of the balance, of a network with sigma.")
    ] = "asymmetry",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; the best one's weights are kept.")] = None,
    jets: Annotated[int | None, typer.Option(min=1, help="Simulated jets of an epoch.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam, at its highest.")] = None,
    seed: Annotated[int, typer.Option(help="Of the order of jets and events.")] = 1,
    run: Annotated[Path | None, typer.Option(help="Folder that keeps the run; thrown away by default.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model; the folder's by default.")] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bars.")] = False,
) -> None:
    """Go on from a trained network with simulation, and with dijets of data and the resolution that they show."""
    from training.learning.fine_tune import fine_tune

    given: dict[str, Any] = {"max_epochs": epochs, "jets_per_epoch": jets, "learning_rate": learning_rate}
    learning = {setting: value for setting, value in given.items() if value is not None}
    record = fine_tune(
        model, simulation, data, output, factor=factor, way=way, learning=learning, seed=seed, name=name, run=run,
        progress=not quiet,
    )  # fmt: skip
    typer.echo(_said(record.get("in_situ")))
    typer.echo(f"fine-tuned: {output}")


def _said(in_situ: dict[str, Any] | None) -> str:
    """What the data did, in a few lines."""
    if in_situ is None:
        return "no data: f is 0"
    lines = [f"{in_situ['events']['training']:,} dijets of data in {len(in_situ['cells'])} cells"]
    for line in in_situ["epochs"]:
        when = "start" if line["epoch"] < 0 else f"epoch {line['epoch']}"
        lines.append(
            f"{when}: loss of the simulation {line['supervised']:.5f}, term of the data {line['term']:.4f}, largest "
            f"change of scale {line['largest_shift']:+.2%}"
        )
    if in_situ["diverged"]:
        lines.append(f"diverged at {in_situ['diverged']}: stopped; a smaller --f may hold")
    lines.append(f"weights kept: of the {in_situ['kept']}")
    return "\n".join(lines)
