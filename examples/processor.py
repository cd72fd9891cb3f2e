"""A coffea processor to copy: a network and the standard path side by side, on the same jets.

Run it on files of your own::

    python examples/processor.py pfnano_1.root pfnano_2.root --jec L1FastJet.txt --jec L2Relative.txt --workers 2
"""

from __future__ import annotations

import argparse
from typing import Any

import awkward as ak
import hist
from coffea import processor
from coffea.nanoevents import PFNanoAODSchema

import coffea_mljec as mljec


class DijetMass(processor.ProcessorABC):
    """Mass of the two leading jets, once for each correction.

    Parameters
    ----------
    corrections : dict of str to provider
        Name -> correction. Providers are picklable: made once, they travel to the workers with the processor.
    """

    def __init__(self, corrections: dict[str, mljec.Provider]) -> None:
        self.corrections = corrections

    def process(self, events: ak.Array) -> dict[str, Any]:
        """Fill one chunk."""
        masses: hist.Hist[Any] = hist.Hist(
            hist.axis.StrCategory(list(self.corrections), name="correction"),
            hist.axis.Regular(100, 0, 1000, name="mass", label="dijet mass (GeV)"),
        )
        applied: dict[str, int] = {}
        for name, correction in self.corrections.items():
            # Correct the whole collection first, cut afterwards: constituents belong to the jets of the file.
            jets = correction(events)
            applied[name] = int(ak.sum((jets.mljec_status & mljec.Status.APPLIED.value) != 0))
            events["Jet"] = jets  # events.Jet = jets does the same
            good = events.Jet[(events.Jet.pt > 30) & (abs(events.Jet.eta) < 2.5)]
            good = good[ak.argsort(good.pt, ascending=False)]
            good = good[ak.num(good) >= 2]
            masses.fill(correction=name, mass=(good[:, 0] + good[:, 1]).mass)
        return {"events": len(events), "applied": applied, "mass": masses}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Hand on what the chunks added up to."""
        return accumulator


def main() -> None:
    """Run the processor over the files that the command line names."""
    parser = argparse.ArgumentParser(description="Dijet mass with a network and with the standard path.")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--jec", action="append", required=True, help="a level of the standard path as text; repeat it")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()

    standard = mljec.FactorizedJEC.from_txt(arguments.jec)
    network = mljec.MLJEC("pfn-r-lite", fallback=standard)
    runner = processor.Runner(
        executor=processor.FuturesExecutor(workers=arguments.workers), schema=PFNanoAODSchema, chunksize=50_000
    )
    result = runner({"jets": arguments.files}, DijetMass({"network": network, "standard": standard}), treename="Events")
    print(f"{result['events']} events; jets that each correction treated: {result['applied']}")
    print(result["mass"])


if __name__ == "__main__":
    main()
