"""How many jets there are: per flavour and region of a test sample, and for training after the sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.binning import REGIONS, SIX_FLAVOURS
from coffea_mljec.validation.common.style import COLOURS
from training.realism.drawing import head, panels, pt_axis
from training.realism.flavours import CODES
from training.realism.jets import THINNED, SimulatedJets
from training.realism.row import Part, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cell_counts", "size"]

LOWEST_PT = 30.0
FEWEST_TEST, FEWEST_TRAINING = 5_000, 1_000_000
_SOURCE = "limit ours"


def cell_counts(jets: SimulatedJets) -> dict[tuple[str, str], int]:
    """Return the number of jets above 30 GeV (pt_gen) by (flavour, region)."""
    above = jets["pt_gen"] > LOWEST_PT
    forward = np.abs(jets["eta_gen"]) >= 2.5
    return {
        (flavour, region): int(np.sum(above & (jets.flavour == CODES[flavour]) & (forward == (region == "forward"))))
        for region in REGIONS
        for flavour in SIX_FLAVOURS
    }


def size(training: SimulatedJets, test: SimulatedJets | None) -> Part:
    """Judge the sizes of the samples: productions for training, and the test sample, if one was given."""
    part = Part(
        "Sizes",
        f"{training.events:,} events with {len(training):,} matched jets; "
        + ("no test sample given" if test is None else f"test sample: {test.events:,} events with {len(test):,}")
        + ". Training jets are counted after bringing them to the density and flavour mix of the networks "
        "(`learning.sampling`), in two ways: all jets with weights capped at 20 times the mean, of which the effective "
        "number is (sum w)^2 / sum w^2; and the jets left where weights are kept between 0.2 and 5 by thinning out "
        "what is over-represented beyond that. Several passes of one scatter count each. Counts of the test sample are "
        "plain numbers of jets with pt_gen above 30 GeV.",
    )
    report = training.sampling
    part.rows.append(Row(
        "effective training jets after sampling", f"of {report['jets']:,} jets of known flavour",
        report["effective_size"], low=FEWEST_TRAINING, source=_SOURCE, digits=0,
    ))  # fmt: skip
    part.rows.append(Row(
        f"training jets left with weights {THINNED[0]:g} to {THINNED[1]:g}",
        f"of {report['jets']:,} jets of known flavour", report["left_when_thinned"], low=FEWEST_TRAINING,
        source=_SOURCE, digits=0,
    ))  # fmt: skip
    part.details += [
        Row(f"effective training jets, {group}", f"of {found['jets']:,} jets", found["effective_size"], digits=0)
        for group, found in report["groups"].items()
    ]
    for (flavour, region), count in cell_counts(training if test is None else test).items():
        part.rows.append(Row(
            f"jets above 30 GeV, {flavour}", f"{region}, {'all' if test is None else 'test'} events", count,
            low=FEWEST_TEST, source=_SOURCE, digits=0,
        ))  # fmt: skip
    part.figures.append(("spectra", "Jets available, without weights.", lambda: _draw(training)))
    return part


def _draw(jets: SimulatedJets) -> Figure:
    figure, grid = panels(1, 2, (13.0, 5.0))
    edges = np.geomspace(8.0, 3500.0, 41)
    for axes, (low, high) in zip(grid[0], ((0.0, 2.5), (2.5, 5.0)), strict=True):
        away = np.abs(jets["eta_gen"])
        inside = (away >= low) & (away < high)
        for number, flavour in enumerate(SIX_FLAVOURS):
            chosen = inside & (jets.flavour == CODES[flavour])
            content, _ = np.histogram(jets["pt_gen"][chosen], edges)
            axes.stairs(content, edges, color=COLOURS[number + 1], linewidth=1.8, label=flavour)
        axes.set_yscale("log")
        axes.set_ylim(1.0, None)
        pt_axis(axes, edges[0], edges[-1], ticks=(10, 20, 50, 100, 200, 500, 1000, 2000))
        head(axes, rf"{low:g} < |$\eta_{{\mathrm{{gen}}}}$| < {high:g}")
    grid[0, 0].set_ylabel("Jets in a bin")
    grid[0, 0].legend(ncols=3)
    return figure
