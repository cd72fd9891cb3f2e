"""``mljec models``: what comes with the package."""

from __future__ import annotations

from typing import Annotated

import typer

from coffea_mljec.cli.terminal import out

__all__ = ["models"]


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|PATH]", help="Print this model's whole card.")] = None,
) -> None:
    """List the bundled models, or print the card of one.

    [bold]Examples[/]

    mljec models

    mljec models pfn-r-lite
    """
    from rich.table import Table
    from rich.text import Text

    from coffea_mljec import defaults
    from coffea_mljec.models import bundled, open_model

    if name is not None:
        out.print_json(open_model(name).card.model_dump_json())
        return
    cards = bundled()
    if not cards:
        out.print("no models are bundled with this installation; give a model folder by its path.")
        return
    columns = ("model", "for", "parameters", "features", "raw pT/GeV", "|eta|", "trained on")
    table = Table(*columns, box=None, pad_edge=False)
    for key, card in cards.items():
        features = ", ".join(f"{len(names)} {kind}" for kind, names in card.feature_set.names().items() if names)
        sample = card.training.sample + (" (parametrised simulation)" if card.training.fast_simulation else "")
        table.add_row(
            Text(key + (" (default)" if key == defaults.MODEL else ""), style="bold"),
            f"{card.algorithm}: {', '.join(card.collections)}",
            f"{card.parameters:,}",
            features,
            "-".join(f"{edge:g}" for edge in card.domain.pt_raw),
            "-".join(f"{edge:g}" for edge in card.domain.abs_eta),
            Text(sample),
        )
    out.print(table)
