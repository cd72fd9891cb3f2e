"""Which features a network reads: a validated, ordered schema over the catalogue, and the named sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coffea_mljec.errors import InputError
from coffea_mljec.features import cmssw
from coffea_mljec.features.catalogue import CATALOGUE, COLLECTIONS, Feature
from coffea_mljec.features.feature import VERTEX_KERNELS
from coffea_mljec.support.suggestions import did_you_mean

__all__ = ["FEATURE_SETS", "JETS", "KINEMATICS", "KINEMATICS_PV", "PFNANO", "THESIS", "FeatureSet"]


@dataclass(frozen=True)
class FeatureSet:
    """Ordered names of the features of each collection; an empty collection is not read.

    Parameters
    ----------
    jet, charged, neutral, candidates, sv : tuple of str
        Names of the `CATALOGUE`; ``candidates`` are charged and neutral ones together.

    Raises
    ------
    InputError
        For a name that the catalogue does not have, or one that stands twice.
    """

    jet: tuple[str, ...] = ()
    charged: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    sv: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for collection in COLLECTIONS:
            names = tuple(getattr(self, collection))
            object.__setattr__(self, collection, names)
            for name in names:
                if name not in CATALOGUE[collection]:
                    raise InputError(
                        f"unknown feature {name!r} of collection {collection!r}. "
                        f"{did_you_mean(name, CATALOGUE[collection])}The catalogue has "
                        f"{', '.join(CATALOGUE[collection])}."
                    )
                if names.count(name) > 1:
                    raise InputError(
                        f"feature {name!r} of collection {collection!r} is listed {names.count(name)} times."
                    )
        if not any(getattr(self, collection) for collection in COLLECTIONS):
            raise InputError("a feature set needs at least one feature.")

    @classmethod
    def from_names(cls, names: Mapping[str, Iterable[str]]) -> FeatureSet:
        """Make a set from a mapping such as a model card's ``features``."""
        unknown = sorted(set(names) - set(COLLECTIONS))
        if unknown:
            raise InputError(f"unknown collection {unknown[0]!r} in a feature set: expected {', '.join(COLLECTIONS)}.")
        return cls(**{collection: tuple(names.get(collection, ())) for collection in COLLECTIONS})

    def names(self) -> dict[str, tuple[str, ...]]:
        """Collection -> names, without empty collections."""
        return {c: getattr(self, c) for c in COLLECTIONS if getattr(self, c)}

    def features(self, collection: str) -> tuple[Feature, ...]:
        """The catalogue's rows of one collection, in order."""
        return tuple(CATALOGUE[collection][name] for name in getattr(self, collection))

    @property
    def constituents(self) -> tuple[str, ...]:
        """The collections of constituents that are read."""
        return tuple(c for c in COLLECTIONS[1:] if getattr(self, c))

    @property
    def jet_quantities(self) -> tuple[str, ...]:
        """Canonical quantities of the jet that the layout must supply."""
        from_constituents = ("shape", *VERTEX_KERNELS)
        needed = [q for f in self.features("jet") if f.kernel not in from_constituents for q in f.quantities]
        needed += [q for c in COLLECTIONS for f in self.features(c) for q in f.jet_quantities]
        return tuple(dict.fromkeys(needed))

    @property
    def constituent_quantities(self) -> dict[str, tuple[str, ...]]:
        """Collection of constituents -> canonical quantities that the layout must supply."""
        needed = {c: dict.fromkeys(q for f in self.features(c) for q in f.quantities) for c in self.constituents}
        if any(feature.kernel == "shape" for feature in self.features("jet")):
            for collection in ("charged", "neutral"):
                needed.setdefault(collection, {}).update(dict.fromkeys(("pt", "eta", "phi")))
        of_vertices = [q for f in self.features("jet") if f.kernel in VERTEX_KERNELS for q in ("pt", *f.quantities)]
        if of_vertices:
            needed.setdefault("sv", {}).update(dict.fromkeys(of_vertices))
        return {collection: tuple(quantities) for collection, quantities in needed.items()}

    def feature_of(self, kind: str, quantity: str) -> str | None:
        """Name of the first feature that needs a quantity of a ``jet`` or of ``charged``, ``neutral``, ``sv``."""
        for collection in COLLECTIONS:
            for feature in self.features(collection):
                of_jet = kind in ("jet", "event")
                made_from = "sv" if feature.kernel in VERTEX_KERNELS else collection
                own = made_from == kind or (made_from == "jet" and of_jet)
                # The hardest vertex is looked for by pT, whatever is read of it.
                sought = ("pt",) if made_from != collection else ()
                if (own and quantity in (*feature.quantities, *sought)) or (
                    of_jet and quantity in feature.jet_quantities
                ):
                    return f"{collection}.{feature.name}"
        return None


THESIS = FeatureSet(
    jet=("pt", "eta", "phi", "mass", "area", "rho", "n_pv", "log_pt", "multiplicity", "ptD", "axis2"),
    **{
        collection: tuple(name for name, feature in CATALOGUE[collection].items() if feature.source != cmssw.SOURCE)
        for collection in ("charged", "neutral", "sv")
    },
)
"""The reference networks' inputs: 11 jet, 25 charged, 11 neutral and 10 vertex features."""

PFNANO = FeatureSet(
    # Without the area: CMS's active areas fluctuate, the simulation's stay where ghosts put them on average
    # (training/reports/realism), and a network would take the difference for information.
    jet=tuple(name for name in THESIS.jet if name != "area"),
    charged=tuple(name for name in THESIS.charged if name not in ("n_hits", "n_pixel_hits")),
    neutral=tuple(name for name in THESIS.neutral if name != "hcal_frac"),
    sv=THESIS.sv,
)
"""What plain PFNano (v2) supplies: the thesis set without track hits and HCAL fraction, nor the jet's area."""

_MOMENTA = ("pt", "eta", "phi", "rel_pt", "rel_eta", "rel_phi")

KINEMATICS = FeatureSet(
    jet=PFNANO.jet,
    charged=tuple(name for name in PFNANO.charged if name in _MOMENTA or name.startswith("id_")),
    neutral=tuple(name for name in PFNANO.neutral if name in _MOMENTA or name.startswith("id_")),
)
"""Momenta and types of candidates, no more: all that NanoAODv15 has of them, and PFNano of 2020 whatever else it lacks.
No tracks, association to vertices, HCAL fraction or secondary vertices."""

KINEMATICS_PV = FeatureSet(
    jet=KINEMATICS.jet,
    charged=tuple(name for name in PFNANO.charged if name in KINEMATICS.charged or name.startswith("pv_assoc_")),
    neutral=KINEMATICS.neutral,
)
"""`KINEMATICS` and the quality of the association of charged candidates to the primary vertex. Of the layouts that are
known, each that holds that quality holds tracks as well: this set is for files that were thinned out by their user."""

JETS = FeatureSet(
    jet=(
        "pt", "abs_eta", "mass", "rho", "n_pv", "charged_hadron_fraction", "neutral_hadron_fraction",
        "charged_em_fraction", "neutral_em_fraction", "muon_fraction", "n_constituents",
    )
)  # fmt: skip
"""What any NanoAOD file tells of a jet, without constituents."""

FEATURE_SETS: Mapping[str, FeatureSet] = {
    "thesis": THESIS,
    "pfnano": PFNANO,
    "kinematics-pv": KINEMATICS_PV,
    "kinematics": KINEMATICS,
    "jets": JETS,
}
