"""Type-1 MET by hand, in plain Python, and toy payloads for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from coffea_mljec import FactorizedJEC
from tests.toy_payloads import smearing, sources, written

# In parts of pileup, so that the L1 level differs from jet to jet.
L1 = "{1 JetEta 3 Rho JetPt JetA max(0.0001,1-(z/y)*[0]*x) Correction L1FastJet}\n-5 5 7 0 200 8 3000 0 10 0.3\n"
L2 = "{1 JetEta 1 JetPt [0]+[1]/x Correction L2Relative}\n-5 0 4 8 3000 1.1 1\n0 5 4 8 3000 1.2 2\n"
JETS = {"muons": "muonSubtrFactor", "em": "chEmEF neEmEF", "turn": ""}
LOW = {"muons": "muonSubtrFactor", "em": "", "turn": ""}


class Payloads:
    """Toy payloads for one algorithm."""

    def __init__(self, folder: Path, algorithm: str = "AK4PFPuppi", kind: str = "MC") -> None:
        self.folder = folder
        self.algorithm = algorithm
        self.kind = kind

    def write(self, level: str, suffix: str, text: str) -> Path:
        return written(self.folder, f"Toy1_V1_{self.kind}_{level}_{self.algorithm}.{suffix}.txt", text)

    def levels(self) -> list[Path]:
        return [self.write("L1FastJet", "jec", L1), self.write("L2Relative", "jec", L2)]

    def sources(self) -> dict[str, Any]:
        return sources(self.folder, self.algorithm, self.kind)

    def smearing(self) -> dict[str, Any]:
        return smearing(self.folder, self.algorithm, self.kind)

    def standard(self, **options: Any) -> FactorizedJEC:
        return FactorizedJEC.from_txt(self.levels(), **options)

    def varied(self) -> FactorizedJEC:
        return self.standard(**self.sources(), **self.smearing())


def column(array: Any, *path: str) -> np.ndarray:
    for name in path:
        array = array[name]
    return np.asarray(ak.to_numpy(array), float)


def propagated(events: Any, jets: Any, names: dict[str, str], level1: Any, scale: Any = None) -> np.ndarray:
    """px and py that corrected jets add, event by event and jet by jet, in plain Python."""
    sums = np.zeros((len(events), 2))
    columns = {name: jets[name].to_list() for name in jets.fields if jets[name].ndim == 2}
    level1, scales = ak.to_list(level1), ak.to_list(ak.ones_like(jets.pt_raw) if scale is None else scale)
    for event in range(len(events)):
        for jet in range(len(scales[event])):
            pt, raw, eta, phi = (columns[name][event][jet] for name in ("pt_jec", "pt_raw", "eta", "phi"))
            muons, em, turn = (
                sum(columns[name][event][jet] for name in names[what].split()) for what in ("muons", "em", "turn")
            )
            light, heavy = raw * (1 - muons), raw * muons
            corrected = light * pt / raw
            if corrected > 15 and em < 0.9 and abs(eta) < 5.2:
                added = (corrected + heavy) * scales[event][jet] - heavy - light * level1[event][jet]
                sums[event] += added * np.cos(phi + turn), added * np.sin(phi + turn)
    return sums


def raw_vectors(events: Any, table: str) -> np.ndarray:
    pt, phi = column(events[table].pt), column(events[table].phi)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


def vectors(met: Any) -> np.ndarray:
    pt, phi = column(met.pt), column(met.phi)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi)], axis=1)


def low_pt_jets(events: Any, standard: FactorizedJEC) -> Any:
    """``CorrT1METJet``, corrected as if it were a collection of raw jets."""
    table = events.CorrT1METJet
    events["Jet"] = ak.zip(
        {"pt": table.rawPt, "mass": table.rawPt * 0, "rawFactor": table.rawPt * 0}
        | {name: table[name] for name in table.fields}
    )
    return standard.apply(events)
