"""Which inputs move a network on real jets: they are exchanged for those of simulated jets of the same pT and |eta|.

If simulated jets were like real ones, an exchange would move nothing, but for what it tears apart: a collection fits
the rest of its own jet best. How much that is, simulated jets say that exchange with each other.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coffea_mljec.errors import InputError
from coffea_mljec.models import ModelFolder, open_model
from coffea_mljec.models.sessions import run
from coffea_mljec.nano.opening import quiet_coffea
from coffea_mljec.numerics.geometry import delta_phis
from coffea_mljec.support.atomic import make_folder, write_text
from training.dataset import PreparedJets, prepare
from training.dataset.gather import gather_jagged
from training.dataset.selection import Selection

__all__ = ["Exchanged", "exchange", "moved", "write_exchange"]

Arrays = dict[str, NDArray[Any]]

#: Whose inputs are exchanged: generator pT (GeV) from, and |eta| of the generator jet below.
_FROM, _WITHIN = 30.0, 2.5

#: Distances in ln(pT) and |eta| that count the same.
_LOG_PT, _ETA = 0.1, 0.3

#: Columns of a collection that are exchanged together.
PARTS = {
    "impact parameters": ("dxy", "dxy_sig", "dz"),
    "association to the vertex": ("pv_assoc_",),
    "types": ("id_",),
    "quality of tracks": ("lost_hits", "norm_chi2"),
}


@dataclass(frozen=True)
class Exchanged:
    """What an exchange does to ln(corrected / raw pT).

    Attributes
    ----------
    inputs : str
    real, simulated : tuple of float
        Mean change and its error, of real jets and of simulated ones.
    """

    inputs: str
    real: tuple[float, float]
    simulated: tuple[float, float]

    @property
    def excess(self) -> tuple[float, float]:
        """By how much the real jets move more."""
        return self.real[0] - self.simulated[0], float(np.hypot(self.real[1], self.simulated[1]))


class _Jets:
    """Jets of one origin, as a network reads them."""

    def __init__(self, model: ModelFolder, arrays: Arrays, names: dict[str, tuple[str, ...]]) -> None:
        self.model, self.arrays, self.names = model, arrays, names

    @classmethod
    def of(cls, model: ModelFolder, jets: PreparedJets) -> _Jets:
        """Return the jets that are judged."""
        columns = jets.columns
        rows = np.flatnonzero((columns["pt_gen"] > _FROM) & (np.abs(columns["eta_gen"]) < _WITHIN))
        whole = cls(model, dict(jets.features), jets.feature_set.names())
        return whole.take(rows)

    def __len__(self) -> int:
        return len(self.arrays["jet_features"])

    def take(self, rows: NDArray[np.int64]) -> _Jets:
        """Return some jets; repeats are allowed."""
        found: Arrays = {"jet_features": self.arrays["jet_features"][rows]}
        for c in self.collections:
            content, offsets, _ = gather_jagged(self.arrays[f"{c}_features"], self.arrays[f"{c}_offsets"], rows)
            found |= {f"{c}_features": content, f"{c}_offsets": offsets}
        return _Jets(self.model, found, self.names)

    @property
    def collections(self) -> list[str]:
        """The constituents."""
        return [c for c in self.names if c != "jet"]

    def column(self, collection: str, name: str) -> NDArray[np.float32]:
        """Return one feature of all rows."""
        values: NDArray[np.float32] = self.arrays[f"{collection}_features"][:, self.names[collection].index(name)]
        return values

    def said(self) -> NDArray[np.float64]:
        """Return ln(corrected / raw pT) of each jet."""
        output = next(one for one in self.model.card.outputs if one.quantity == "pt")
        values = run(self.model, self.arrays)[output.source]
        return np.asarray(values if output.column is None else values[:, output.column], np.float64)

    def near(self, others: _Jets, number: int, itself: bool) -> NDArray[np.int64]:
        """Return the nearest of other jets, [n, number]; without the very nearest where these are among them."""
        (pt, eta), (pts, etas) = (
            (np.log(each.column("jet", "pt")), np.abs(each.column("jet", "eta"))) for each in (self, others)
        )
        distance = np.abs(pt[:, None] - pts) / _LOG_PT + np.abs(eta[:, None] - etas) / _ETA
        order = np.argsort(distance, axis=1, kind="stable")
        return order[:, 1 : number + 1] if itself else order[:, :number]

    def with_collection(self, collection: str, other: _Jets) -> _Jets:
        """Return these jets with a collection of others, one for one, moved to their axis and pT."""
        names, jet = self.names[collection], self.arrays["jet_features"]
        offsets = other.arrays[f"{collection}_offsets"]
        rows = other.arrays[f"{collection}_features"].copy()
        own = np.repeat(np.arange(len(self)), np.diff(offsets))
        at = {name: self.names["jet"].index(name) for name in ("pt", "eta", "phi")}
        here = {name: jet[own, column] for name, column in at.items()}
        there = {name: other.arrays["jet_features"][own, column] for name, column in at.items()}
        column = names.index
        rows[:, column("pt")] *= here["pt"] / there["pt"]
        # A jet at eta 0 has a side too: its candidates would fall onto its axis without.
        side = np.where((here["eta"] < 0) == (there["eta"] < 0), 1.0, -1.0).astype(np.float32)
        rows[:, column("eta")] = here["eta"] + side * (rows[:, column("eta")] - there["eta"])
        rows[:, column("phi")] = delta_phis(rows[:, column("phi")], there["phi"] - here["phi"])
        changed = {f"{collection}_features": rows, f"{collection}_offsets": offsets}
        return _Jets(self.model, self.arrays | changed, self.names)

    def with_columns(self, collection: str, columns: NDArray[np.int64], other: _Jets) -> _Jets:
        """Return these jets with some columns of others, row by row as they lie; beyond their last from the first on.

        A jet whose counterpart has no rows keeps its own.
        """
        key = f"{collection}_features"
        rows, offsets, theirs = self.arrays[key].copy(), self.arrays[f"{collection}_offsets"], other.arrays[key]
        first, counts = other.arrays[f"{collection}_offsets"][:-1], np.diff(other.arrays[f"{collection}_offsets"])
        own = np.repeat(np.arange(len(self)), np.diff(offsets))
        place = np.arange(len(rows)) - offsets[own]
        kept = counts[own] > 0
        source = (first[own] + place % np.maximum(counts[own], 1))[kept]
        rows[np.flatnonzero(kept)[:, None], columns] = theirs[source[:, None], columns]
        return _Jets(self.model, self.arrays | {key: rows}, self.names)

    def with_quantity(self, name: str, other: _Jets) -> _Jets:
        """Return these jets with one jet feature of others."""
        rows, column = self.arrays["jet_features"].copy(), self.names["jet"].index(name)
        rows[:, column] = other.arrays["jet_features"][:, column]
        return _Jets(self.model, self.arrays | {"jet_features": rows}, self.names)


def moved(jets: _Jets, others: _Jets, number: int, itself: bool = False) -> dict[str, tuple[float, float]]:
    """Return how each exchange moves jets: inputs -> mean change of ln(corrected / raw pT) and its error.

    Parameters
    ----------
    jets, others : _Jets
    number : int
        Counterparts of each jet, over which is averaged.
    itself : bool
        Whether the jets are among the others: none is its own counterpart.
    """
    before = jets.said()
    near = jets.near(others, number, itself)
    total: dict[str, NDArray[np.float64]] = {}
    for k in range(near.shape[1]):
        other = others.take(near[:, k])
        changed = {c: jets.with_collection(c, other) for c in jets.collections}
        for c in jets.collections:
            for part, starts in PARTS.items():
                columns = np.flatnonzero([name.startswith(starts) for name in jets.names[c]])
                if len(columns):
                    changed[f"{c}: {part}"] = jets.with_columns(c, columns, other)
        given = ("pt", "log_pt", "eta", "phi", "abs_eta")
        changed |= {f"jet: {name}": jets.with_quantity(name, other) for name in jets.names["jet"] if name not in given}
        for name, one in changed.items():
            total[name] = total.get(name, 0.0) + (one.said() - before) / near.shape[1]
    return {name: (float(each.mean()), float(each.std() / np.sqrt(len(each)))) for name, each in total.items()}


def exchange(
    model: str, real: Sequence[Path], simulated: Sequence[Path], cache: Path, number: int = 24, most: int = 20_000
) -> tuple[list[Exchanged], int, int]:
    """Exchange the inputs of real jets, and of as many simulated ones of their pT and |eta|, for simulated jets'.

    Parameters
    ----------
    model : str
        Bundled name or model folder, of AK4 jets.
    real : sequence of Path
        Files of PFNano with generator jets.
    simulated : sequence of Path
        Productions or files.
    cache : Path
        Keeps the prepared jets.
    number : int
        Counterparts of each jet.
    most : int
        Simulated jets that are used, drawn evenly.

    Returns
    -------
    list of Exchanged
        The one that moves real jets most beyond simulated ones first.
    int, int
        Real and simulated jets.

    Raises
    ------
    InputError
        If a file has no jets that are judged, or the model reads no constituents.
    """
    folder = open_model(model)
    card = folder.card
    if not card.feature_set.constituents or not {"pt", "eta", "phi"} <= set(card.feature_set.jet):
        raise InputError(
            f"model {card.name!r} reads {card.features}: inputs are exchanged by collections, along with pt, eta and "
            "phi of the jet; give a network that reads both"
        )
    selection = Selection(min_pt_gen=_FROM, min_pt_raw=5.0)
    with warnings.catch_warnings():
        quiet_coffea()
        of_real, of_simulated = (
            _Jets.of(folder, prepare(files, card.feature_set, selection, cache, progress=False))
            for files in (real, simulated)
        )
    if not len(of_real) or len(of_simulated) <= number:
        raise InputError(
            f"{len(of_real)} real and {len(of_simulated)} simulated jets above {_FROM:g} GeV within |eta| {_WITHIN:g}: "
            f"at least 1 and {number + 1} are needed; give more files"
        )
    if len(of_simulated) > most:
        of_simulated = of_simulated.take(np.linspace(0, len(of_simulated) - 1, most).astype(np.int64))
    # Controls: of each real jet the nearest simulated ones.
    near = of_real.near(of_simulated, max(1, 400 // len(of_real)), itself=False)
    control = of_simulated.take(np.unique(near))
    here, there = moved(of_real, of_simulated, number), moved(control, of_simulated, number, itself=True)
    found = [Exchanged(name, here[name], there[name]) for name in here]
    return sorted(found, key=lambda one: -abs(one.excess[0])), len(of_real), len(of_simulated)


def write_exchange(
    found: Sequence[Exchanged], model: str, real: Sequence[Path], counts: tuple[int, int], output: Path
) -> Path:
    """Write the table as ``exchange-<model>.md`` and return its path."""
    name = open_model(model).card.name
    lines = [
        f"# What moves {name} on real jets",
        "",
        f"{counts[0]} jets of {', '.join(path.name for path in real)} with generator pT above {_FROM:g} GeV and |eta| "
        f"below {_WITHIN:g}; {counts[1]:,} simulated ones. Inputs are exchanged for those of simulated jets of about "
        "the same pT and |eta|; simulated jets of like pT exchange with each other. Mean change of the correction:",
        "",
        "| inputs | real jets/% | simulated jets/% | beyond/% |",
        "| --- | --- | --- | --- |",
    ]
    for one in found:
        numbers = (f"{100 * value:.2f} ± {100 * error:.2f}" for value, error in (one.real, one.simulated, one.excess))
        lines.append(f"| {' | '.join([one.inputs, *numbers])} |")
    make_folder(output)
    path = output / f"exchange-{name}.md"
    write_text(path, "\n".join(lines) + "\n")
    return path
