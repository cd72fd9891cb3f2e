"""``mljec models``: what comes with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from coffea_mljec import defaults
from coffea_mljec.cli.terminal import out

__all__ = ["models"]


def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|PATH]", help="Print this model's whole card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the default's name and all cards as JSON.")] = False,
) -> None:
    """List the bundled models, or print the card of one.

    [bold]Examples[/]

    mljec models

    mljec models --json

    mljec models pfn-r-lite
    """
    from coffea_mljec.models import bundled, open_model

    if name is not None:
        out.print_json(open_model(name).card.model_dump_json(exclude_defaults=True))
        return
    cards = bundled()
    if as_json:
        content = {key: card.model_dump(mode="json") for key, card in cards.items()}
        out.print_json(json.dumps({"default": defaults.MODEL, "models": content}))
        return
    if not cards:
        out.print("no models are bundled with this installation; give a model folder by its path.")
        return
    out.print(_table(cards))
    out.print(f"\ndefault: {defaults.MODEL}")
    for lines in _origins(cards):
        out.print(lines)


def _table(cards: Mapping[str, Any]) -> Any:
    """One line a model in 80 columns: for which jets, how large, how many features of what."""
    from rich.table import Table
    from rich.text import Text

    kinds = list(dict.fromkeys(kind for card in cards.values() for kind in card.feature_set.names()))
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("for", overflow="fold")
    for column in ("parameters", *kinds):
        table.add_column(column, justify="right", no_wrap=True)
    for key, card in cards.items():
        features = card.feature_set.names()
        counts = (str(len(features[kind])) if features.get(kind) else "" for kind in kinds)
        jets = f"{card.algorithm}: {', '.join(card.collections)}"
        table.add_row(
            Text(key, style="bold"), Text(jets), "" if card.parameters is None else f"{card.parameters:,}", *counts
        )
    table.caption = "numbers under jet and its constituents: features that the model reads"
    table.caption_justify = "left"
    return table


def _origins(cards: Mapping[str, Any]) -> list[Any]:
    """Where models may be used and what they were trained on; those that share it in one paragraph."""
    from rich.text import Text

    named: dict[str, list[str]] = {}
    for key, card in cards.items():
        sample = card.training.sample
        if card.training.fast_simulation and "parametrised simulation" not in sample:
            sample += " (parametrised simulation)"
        origin = "; ".join([*_domain(card.domain), f"trained on {sample}"])
        named.setdefault(origin, []).append(key)
    return [Text.assemble((", ".join(keys), "bold"), f": {origin}") for origin, keys in named.items()]


def _domain(domain: Any) -> list[str]:
    """Where a model may be used, as far as its card says."""
    pt, eta = domain.pt_raw, domain.abs_eta
    parts = [] if pt is None else [f"raw pT {pt[0]:.0f} to {pt[1]:.0f} GeV"]
    parts += [] if eta is None else [f"|eta| {eta[0]:.3g} to {eta[1]:.3g}"]
    return [", ".join(parts)] if parts else []
