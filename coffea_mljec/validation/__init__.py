"""Validation: what providers make of jets, from events to histograms to numbers.

Five measurements judge any number of providers side by side, on the same events (`registry.MEASUREMENTS`):

- ``response``: response to generator jets by flavour, |eta|, pT, rho and npv: `ResponseProcessor` -> `Summary`;
- ``widths``: whether jets spread as much as their correction says (``pt_resolution``): `WidthProcessor` ->
  `WidthSummary`;
- ``mass``: energy and mass against generator jets, peaks of W, Z, H and top, pairs of jets: `MassProcessor` ->
  `MassSummary`;
- ``dijets``: resolution from the asymmetry of two jets, on data or simulation: `DijetProcessor` -> `DijetSummary`;
- ``balance``: pT balance and MPF against Z(ll) or a photon, on data or simulation: `BalanceProcessor` ->
  `BalanceSummary`.

Each has a folder with processor, summary, figures and sections of the report, on one base (`common.measurement`).

From a run to numbers
---------------------
``processor.process(events)`` returns ``{dataset: {name: histogram or counters}}``. Everything in it adds up with
coffea's ``accumulate``, in any order: unweighted counts are exact integers, weighted ones agree to 1e-12. Bootstrap
replicas and whatever is drawn at random belong to the event's identity, so any chunking gives the same.

``processor.summary(accumulated, ...)`` turns the accumulated result into a frozen dataclass. It holds dataclasses,
lists, strings, ints, floats and None only, and ``to_dict()`` gives what JSON can hold. The conventions of all:

- a number with its error is a `Measured`: ``value`` and ``error`` (one standard deviation, from the replicas), both
  None where there is nothing to say, and ``note`` then says why (``"too few"``);
- a list over bins runs parallel to the list of edges beside it, one entry fewer than edges;
- ranges are pairs ``[low, high]`` in GeV or |eta|;
- what simulation alone can tell is ``Measured(None, None, "no generator")`` on data;
- bins are joined for a small sample where that is asked for (``coarse=True``), or for figures alone
  (``Summary.coarse``): every number is an exact sum of the fine bins.
"""

from coffea_mljec.validation.balance.processor import BalanceProcessor
from coffea_mljec.validation.balance.summary import BalanceSummary, summarise_balance
from coffea_mljec.validation.common.uncorrected import Uncorrected
from coffea_mljec.validation.dijet.processor import DijetProcessor
from coffea_mljec.validation.dijet.summary import DijetSummary, summarise_dijets
from coffea_mljec.validation.mass.processor import MassProcessor
from coffea_mljec.validation.mass.summary import MassSummary, summarise_masses
from coffea_mljec.validation.response.processor import ResponseProcessor
from coffea_mljec.validation.response.summary import Summary, summarise
from coffea_mljec.validation.response.table import markdown, rich_table, short_table
from coffea_mljec.validation.width.processor import WidthProcessor
from coffea_mljec.validation.width.summary import WidthSummary, summarise_widths

__all__ = [
    "BalanceProcessor",
    "BalanceSummary",
    "DijetProcessor",
    "DijetSummary",
    "MassProcessor",
    "MassSummary",
    "ResponseProcessor",
    "Summary",
    "Uncorrected",
    "WidthProcessor",
    "WidthSummary",
    "markdown",
    "rich_table",
    "short_table",
    "summarise",
    "summarise_balance",
    "summarise_dijets",
    "summarise_masses",
    "summarise_widths",
]
