"""Validation: what providers make of jets, from events to histograms to numbers.

Three coffea processors judge any number of providers side by side, on the same events:

- `ResponseProcessor`: response to generator jets by flavour, |eta|, pT, rho and npv -> `summary.Summary`;
- `DijetProcessor`: resolution from the asymmetry of two jets, on data or simulation -> `dijet_summary.DijetSummary`;
- `BalanceProcessor`: pT balance and MPF against Z(ll) or a photon, on data or simulation ->
  `balance_summary.BalanceSummary`.

From a run to numbers
---------------------
``processor.process(events)`` returns ``{dataset: {name: histogram or counters}}``. Everything in it adds up with
coffea's ``accumulate``, in any order: unweighted counts are exact integers, weighted ones agree to 1e-12. Bootstrap
replicas and whatever is drawn at random belong to the event's identity, so any chunking gives the same.

``Processor.summary(accumulated, ...)`` turns the accumulated result into a frozen dataclass. It holds dataclasses,
lists, strings, ints, floats and None only, and ``to_dict()`` gives what JSON can hold. The conventions of all three:

- a number with its error is a `Measured`: ``value`` and ``error`` (one standard deviation, from the replicas), both
  None where there is nothing to say, and ``note`` then says why (``"too few"``);
- a list over bins runs parallel to the list of edges beside it, one entry fewer than edges;
- ranges are pairs ``[low, high]`` in GeV or |eta|;
- what simulation alone can tell is ``Measured(None, None, "no generator")`` on data.

What is in a summary
--------------------
`Summary`: ``cells``, ``dependence``, ``curves`` (see `coffea_mljec.validation.response.summary`), and ``trends``: one
`Trend` a (provider, variable, region, pt_gen interval), variable one of ``"rho"``, ``"npv"``, ``"abs_eta"`` (region
``"all"``), with ``edges``, ``jets``, ``median``, ``resolution`` and ``ratio`` (to the standard's resolution); and
``closures``: one `Closure` a (provider, region, flavour): chi-square of the medians in the fine bins against 1.

`DijetSummary`: ``cells``, one `DijetCell` a (provider, pair, |eta| range, pt_avg range). pair ``"same"``: both jets in
that |eta| range; ``"reference"``: one jet in the reference range, the probe in this one. Each has ``events``,
``sigma_reco``, ``sigma_gen`` (widths of the asymmetry), ``jer`` (at the topology's cut on the third jet),
``jer_extrapolated`` (third jet's pT to zero), ``truth`` (same estimator on pT / pt_gen), ``ratio`` (jer / truth),
``shift`` (median asymmetry; 0 for ``"same"``) and ``alpha`` (list of `AlphaPoint`: ``alpha_max``, ``sigma_reco``,
``sigma_gen``, ``jer``). ``distributions``: the asymmetry itself, for figures, one `Distribution` a cell:
``edges``, ``reco`` and ``gen`` contents.

`BalanceSummary`: ``cells``, one `BalanceCell` a (provider, |eta| range of the jet, pt_ref range) with ``events``,
``pt_balance``, ``mpf``, ``gen_balance``, ``response`` (medians), ``ratio`` (pt_balance / gen_balance, extrapolated to
no second jet in ``ratio_extrapolated``), ``width``, and ``alpha`` (list of `BalancePoint`).
"""

from coffea_mljec.validation.balance.processor import BalanceProcessor
from coffea_mljec.validation.balance.summary import BalanceSummary
from coffea_mljec.validation.common.uncorrected import Uncorrected
from coffea_mljec.validation.dijet.processor import DijetProcessor
from coffea_mljec.validation.dijet.summary import DijetSummary
from coffea_mljec.validation.response.processor import ResponseProcessor
from coffea_mljec.validation.response.summary import Summary, summarise
from coffea_mljec.validation.response.table import markdown, rich_table

__all__ = [
    "BalanceProcessor",
    "BalanceSummary",
    "DijetProcessor",
    "DijetSummary",
    "ResponseProcessor",
    "Summary",
    "Uncorrected",
    "markdown",
    "rich_table",
    "summarise",
]
