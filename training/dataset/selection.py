"""Which jets are trained on, and what is kept of each: NanoEvents -> one flat table of selected jets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.features import FeatureSet, compute
from coffea_mljec.nano import flatten
from coffea_mljec.nano.algorithm import PT_WITH_NEUTRINOS, radius
from coffea_mljec.nano.jagged import content_and_offsets
from coffea_mljec.numerics.matching import match_flat
from coffea_mljec.numerics.subjets import masses_of_subjets
from coffea_mljec.status import Status, carries
from coffea_mljec.validation.common.binning import flavour_code
from training.dataset.gather import gather_jagged

__all__ = [
    "FLAVOURS",
    "JET_COLUMNS",
    "NO_MASS",
    "RAW_MASS_FEATURES",
    "JetTable",
    "Selection",
    "mass_column",
    "mass_weight_column",
    "rows_of_features",
    "scatter_numbers",
    "select_jets",
]

#: PDG ids of the flavours that count as known.
FLAVOURS = (1, 2, 3, 4, 5, 21)

#: Column of a prepared jet -> type. ``pt_raw`` and ``pt_gen`` in GeV, the latter with neutrinos if those are wanted;
#: ``target`` is ln(pt_gen / pt_raw), ``jet`` the jet's place in its event, ``scatter`` what must not be torn apart:
#: events made from one hard scatter share it.
JET_COLUMNS: dict[str, str] = {
    "run": "i8", "luminosityBlock": "i8", "event": "i8", "scatter": "i8", "jet": "i4", "flavour": "i4",
    "pt_raw": "f4", "eta": "f4", "rho": "f4", "n_pv": "f4", "pt_gen": "f4", "eta_gen": "f4", "target": "f4",
}  # fmt: skip

#: The target of a jet without a mass, such as a soft-drop mass of 0: beyond any range of a loss.
NO_MASS = 99.0

_GENERATOR_SUBJETS = "SubGenJetAK8"
#: Mass -> the jet feature that is its raw value, and the quantity behind it.
RAW_MASS_FEATURES = {"mass": "mass", "msoftdrop": "soft_drop_mass"}
_RAW_MASSES = {"mass": "mass_raw", "msoftdrop": "soft_drop_mass"}
_UNUSABLE = Status.BAD_INPUT | Status.NO_CONSTITUENTS | Status.INCOMPLETE_CONSTITUENTS


class Selection(BaseModel):
    """Which jets are used.

    Attributes
    ----------
    collection, generator : str
        Collections of the jets and of the generator jets.
    max_delta_r : float
        Largest distance of jet and generator jet.
    min_pt_gen, min_pt_raw : float
        In GeV.
    max_eta_gen : float
        Largest pseudorapidity of the generator jet.
    neutrinos : bool
        Whether the pT of a generator jet, and so the target, includes that of its neutrinos
        (``python -m training simulate --neutrinos``).
    masses : tuple of str
        Masses that are learnt beside pT: ``mass`` of the generator jet, and ``msoftdrop`` of its subjets (AK8 jets of
        ``python -m training simulate --soft-drop``). Targets are their logarithms over the raw ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: str = "Jet"
    generator: str = "GenJet"
    max_delta_r: Annotated[float, Field(gt=0.0)] = 0.2
    min_pt_gen: Annotated[float, Field(ge=0.0)] = 8.0
    min_pt_raw: Annotated[float, Field(ge=0.0)] = 5.0
    max_eta_gen: Annotated[float, Field(gt=0.0)] = 5.0
    neutrinos: bool = False
    masses: tuple[Literal["mass", "msoftdrop"], ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """What prepared jets depend on; those from before there was a choice do not say what they lack."""
        return self.model_dump(exclude={name for name in ("neutrinos", "masses") if not getattr(self, name)})

    @property
    def columns(self) -> dict[str, str]:
        """Column of a prepared jet -> type: `JET_COLUMNS`, and the targets of the masses."""
        return JET_COLUMNS | {mass_column(name): "f4" for name in self.masses}


def mass_column(name: str) -> str:
    """The column of a mass's target, and what batches call it."""
    return f"target_{name}"


def mass_weight_column(name: str) -> str:
    """What batches call the weight of a mass's target."""
    return f"weight_{name}"


@dataclass(frozen=True)
class JetTable:
    """Selected jets and their features.

    Attributes
    ----------
    columns : dict of str to array [n]
        Those of `Selection.columns`.
    features : dict of str to array
        As `coffea_mljec.features.compute` gives them, for the selected jets.
    counts : dict of str to int
        Jets left after each step of the selection, ``all`` first.
    """

    columns: dict[str, NDArray[Any]]
    features: dict[str, NDArray[Any]]
    counts: dict[str, int]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.columns["target"])


def _flavour(events: Any, selection: Selection, source: str) -> NDArray[np.int64]:
    """Return the flavour of every jet."""
    names = ("hadronFlavour", "partonFlavour")
    return flavour_code(*(_column(events, selection.collection, name, source)[0] for name in names))


def select_jets(events: Any, features: FeatureSet, selection: Selection, source: str = "training") -> JetTable:
    """Match, select and compute the features of one chunk of simulated events.

    Parameters
    ----------
    events : NanoEvents
        Eager or virtual, with generator jets and constituents.
    features : FeatureSet
        The network's inputs.
    selection : Selection
        Which jets.
    source : str
        Where the events come from, for error messages: a file's name, say.

    Raises
    ------
    MissingBranchError
        If generator jets, flavours or anything that the features need is not there.
    InputError
        If a selected jet has a NaN or an infinity in its features or target; the first ones are named.
    """
    flat = flatten(
        events,
        selection.collection,
        jet=(*features.jet_quantities, "rho", "n_pv", *(_RAW_MASSES[name] for name in selection.masses)),
        constituents=features.constituent_quantities,
        asker=source,
    )
    event_of_jet = np.repeat(np.arange(len(events)), np.diff(flat.jet_offsets))
    gen = {name: _column(events, selection.generator, name, source) for name in ("pt", "eta", "phi")}
    of_target = PT_WITH_NEUTRINOS if selection.neutrinos else "pt"
    true_pt = _column(events, selection.generator, of_target, source)[0]
    gen_offsets = gen["pt"][1]
    jet_eta, jet_phi = (np.asarray(flat.jet[name], np.float64) for name in ("eta", "phi"))
    partner = match_flat(
        jet_eta, jet_phi, flat.jet_offsets, gen["eta"][0], gen["phi"][0], gen_offsets,
        selection.max_delta_r,
    )  # fmt: skip
    matched = partner >= 0
    pt_gen = _taken(true_pt, partner)
    eta_gen = _taken(gen["eta"][0], partner)
    flavour = _flavour(events, selection, source)
    pt_raw = flat.jet["pt_raw"].astype(np.float64)
    steps = {
        "all": np.ones(len(flat), np.bool_),
        "usable constituents": ~carries(flat.flags, _UNUSABLE),
        "matched": matched,
        "pt_gen": pt_gen > selection.min_pt_gen,
        "pt_raw": pt_raw > selection.min_pt_raw,
        "eta_gen": np.abs(eta_gen) < selection.max_eta_gen,
        "known flavour": np.isin(flavour, FLAVOURS),
    }
    kept = np.ones(len(flat), np.bool_)
    counts = {}
    for name, passed in steps.items():
        kept &= passed
        counts[name] = int(kept.sum())
    rows = np.flatnonzero(kept)
    identity = {
        name: _event_numbers(events, name, source)[event_of_jet[rows]] for name in ("run", "luminosityBlock", "event")
    }
    identity["scatter"] = scatter_numbers(events, source)[event_of_jet[rows]]
    columns = identity | {
        "jet": rows - flat.jet_offsets[event_of_jet[rows]],
        "flavour": flavour[rows],
        "pt_raw": pt_raw[rows],
        "eta": flat.jet["eta"][rows],
        "rho": flat.jet["rho"][rows],
        "n_pv": flat.jet["n_pv"][rows],
        "pt_gen": pt_gen[rows],
        "eta_gen": eta_gen[rows],
        "target": np.log(pt_gen[rows] / pt_raw[rows]),
    }
    for name in selection.masses:
        true = _taken(_generator_mass(events, name, selection, gen_offsets, source), partner[rows])
        columns[mass_column(name)] = _mass_target(true, flat.jet[_RAW_MASSES[name]][rows])
    columns = {name: columns[name].astype(kind) for name, kind in selection.columns.items()}
    table = JetTable(columns, rows_of_features(compute(flat, features), rows), counts)
    _refuse_non_finite(table, features, source)
    return table


def rows_of_features(arrays: dict[str, NDArray[Any]], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the features of some jets, in their order, of what `coffea_mljec.features.compute` gave for all."""
    kept = {"jet_features": arrays["jet_features"][rows]}
    for name in arrays:
        if name.endswith("_offsets"):
            collection = name.removesuffix("_offsets")
            content, offsets, _ = gather_jagged(arrays[f"{collection}_features"], arrays[name], rows)
            kept |= {f"{collection}_features": content, name: offsets}
    return kept


def _refuse_non_finite(table: JetTable, features: FeatureSet, source: str) -> None:
    found: list[tuple[int, str]] = [(int(j), "target") for j in np.flatnonzero(~np.isfinite(table.columns["target"]))]
    for collection, names in features.names().items():
        content = table.features[f"{collection}_features"]
        for row, column in np.argwhere(~np.isfinite(content)):
            if collection != "jet":
                row = np.searchsorted(table.features[f"{collection}_offsets"], row, side="right") - 1
            found.append((int(row), f"{collection}.{names[column]}"))
    if not found:
        return
    # Many constituents of one jet may share a fault; it is named once.
    found = list(dict.fromkeys(found))
    first = [
        "{run}:{luminosityBlock}:{event} jet {jet}".format(
            **{k: int(v[j]) for k, v in table.columns.items() if v.dtype.kind == "i"}
        )
        + f" ({name})"
        for j, name in found[:5]
    ]
    raise InputError(
        f"{source}: {len(found)} NaN or infinite values in the features or targets of selected jets: "
        f"{', '.join(first)}{', ...' if len(found) > 5 else ''}; mend the sample, nothing is "
        "replaced silently."
    )


def _column(events: Any, collection: str, name: str, source: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    if collection not in events.fields or name not in events[collection].fields:
        raise MissingBranchError(
            f"{source}: training needs {collection}_{name}, which the file lacks: give it simulated events"
        )
    return content_and_offsets(events[collection][name], f"{collection}.{name}")


def _mass_target(true: NDArray[np.float64], raw: NDArray[np.generic]) -> NDArray[np.float64]:
    """ln(generator / raw mass), `NO_MASS` where either is 0 or missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(true / raw.astype(np.float64))
    return np.where(np.isfinite(logarithm), logarithm, NO_MASS)


def _generator_mass(
    events: Any, name: str, selection: Selection, offsets: NDArray[np.int64], source: str
) -> NDArray[np.float64]:
    """A mass of all generator jets, in GeV; NaN where there is none."""
    if name == "mass":
        return _column(events, selection.generator, name, source)[0].astype(np.float64)
    subjets = {part: _column(events, _GENERATOR_SUBJETS, part, source) for part in ("pt", "eta", "phi", "mass")}
    eta, phi = (_column(events, selection.generator, part, source)[0] for part in ("eta", "phi"))
    return masses_of_subjets(
        eta, phi, offsets, *(values for values, _ in subjets.values()), subjets["pt"][1],
        radius(selection.collection) or 0.4,
    )  # fmt: skip


def scatter_numbers(events: Any, source: str) -> NDArray[np.int64]:
    """Return what must not be torn apart, int64 [events]: the number of each event's hard scatter.

    Only the simulation makes several events of a scatter; elsewhere each event is its own. coffea makes a record of
    branches that share a prefix: ``MLJEC_scatter`` becomes ``events.MLJEC.scatter``.
    """
    if "MLJEC" in events.fields and "scatter" in events["MLJEC"].fields:
        return np.asarray(events["MLJEC"]["scatter"]).astype(np.int64)
    return _event_numbers(events, "MLJEC_scatter" if "MLJEC_scatter" in events.fields else "event", source)


def _event_numbers(events: Any, name: str, source: str) -> NDArray[np.int64]:
    if name not in events.fields:
        raise MissingBranchError(f"{source}: training needs {name} to tell events apart, which the file lacks")
    return np.asarray(events[name]).astype(np.int64)


def _taken(values: NDArray[np.floating], partner: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.full(len(partner), np.nan)
    out[partner >= 0] = values[partner[partner >= 0]]
    return out
