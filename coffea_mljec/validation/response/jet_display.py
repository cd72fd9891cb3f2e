"""Event display: one jet's particles around its axis, and the pT that each provider gives the jet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from coffea_mljec.validation.common.caption import Caption
from coffea_mljec.validation.common.section import Drawing, Section
from coffea_mljec.validation.common.style import BEHIND_TEXT, colour, head, marker, new_figure
from coffea_mljec.validation.common.table import Table
from coffea_mljec.validation.response.clouds import KINDS, Cloud

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cloud_section", "draw_cloud", "draw_clouds"]

_COLOUR_OF = dict(
    zip([*KINDS, "other"], ("#e42536", "#f89c20", "#5790fc", "#009e73", "#7a21dd", "#9c9ca1", "#000000"), strict=True)
)


def draw_clouds(clouds: Sequence[Cloud], caption: Caption) -> Iterator[Drawing]:
    """Draw ``jet_<number>`` a jet; to be saved while the style is in force."""
    words = "Particles of one jet (area: share of the pT), and the pT that each correction gives it."
    for number, cloud in enumerate(clouds, start=1):
        yield Drawing(f"jet_{number}", "jets", words, draw_cloud(cloud, caption), wide=True)


def cloud_section(clouds: Sequence[Cloud]) -> Section:
    """The part of the page on single jets."""
    words = "Chosen by rule: central jets with all their particles, nearest to 100 GeV, one of a kind."
    return Section("jets", "Single jets", words, (), (_table(clouds),) if clouds else ())


def _table(clouds: Sequence[Cloud]) -> Table:
    rows = []
    for cloud in clouds:
        for number, (provider, pt) in enumerate({"raw": cloud.pt_raw, **cloud.pt}.items()):
            event = f"{cloud.run}:{cloud.luminosity_block}:{cloud.event}, jet {cloud.jet}"
            start = (event, cloud.flavour or "data") if number == 0 else ("", "")
            truth = "" if cloud.pt_gen is None else f"{cloud.pt_gen:.1f}"
            ratio = "" if cloud.pt_gen is None else f"{pt / cloud.pt_gen:.3f}"
            rows.append((*start, provider, f"{pt:.1f}", truth, ratio))
    return Table("", ("event", "flavour", "correction", "pT/GeV", "generator/GeV", "response"), tuple(rows))


def draw_cloud(cloud: Cloud, caption: Caption) -> Figure:
    """Draw the particles on the left, the providers' pT beside the generator's on the right; inside `style()`."""
    # Two squares, between them the legend and the names of the corrections.
    figure, (left, right) = new_figure(1, 2, (14.0, 6.0), (1.0, 0.3, 0.85, 0.7), wspace=0.855)
    head(left, caption.whose, replace(caption, events=None).right)
    _particles(left, cloud)
    name = {None: "jet of data", "uds": "light-quark jet", "g": "gluon jet"}.get(cloud.flavour, f"{cloud.flavour} jet")
    where = f"run:block:event {cloud.run}:{cloud.luminosity_block}:{cloud.event}, jet {cloud.jet}"
    right.text(0.0, 1.02, f"{name}, $\\eta$ = {cloud.eta:.2f}\n{where}", transform=right.transAxes, fontsize=14)
    _momenta(right, cloud)
    return figure


def _particles(axes: Axes, cloud: Cloud) -> None:
    from matplotlib.patches import Circle

    cone = cloud.radius or 0.4
    share = np.asarray(cloud.particle_pt) / max(sum(cloud.particle_pt), 1e-6)
    eta, phi, kinds = np.asarray(cloud.delta_eta), np.asarray(cloud.delta_phi), np.asarray(cloud.kinds)
    for kind, shade in _COLOUR_OF.items():
        mine = kinds == kind
        if mine.any():
            area = 18.0 + 2500.0 * share[mine]
            axes.scatter(eta[mine], phi[mine], s=area, color=shade, alpha=0.65, linewidths=0.6, edgecolors="white")
            axes.scatter([], [], s=60.0, color=shade, alpha=0.65, label=f"{kind}, {100 * share[mine].sum():.0f} %")
    for d_eta, d_phi, mass in cloud.vertices:
        axes.scatter([d_eta], [d_phi], s=170.0, marker="*", facecolors="none", edgecolors="black")
        axes.scatter([], [], s=90.0, marker="*", facecolors="none", edgecolors="black", label=f"vertex, {mass:.1f} GeV")
    axes.add_patch(Circle((0.0, 0.0), cone, fill=False, linestyle="--", color="0.5"))
    axes.plot([0.0], [0.0], "+", color="0.3", markersize=12)
    reach = 1.08 * float(np.max(np.abs([*eta, *phi, cone])))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xlabel(r"$\eta - \eta_{\mathrm{jet}}$")
    axes.set_ylabel(r"$\phi - \phi_{\mathrm{jet}}$")
    axes.legend(
        title=f"{len(kinds)} particles", loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=13, title_fontsize=13,
        handletextpad=0.2, labelspacing=0.8, alignment="left",
    )  # fmt: skip


def _momenta(axes: Axes, cloud: Cloud) -> None:
    truth = {} if cloud.pt_gen is None else {"generator": cloud.pt_gen}
    shown = {**truth, "raw": cloud.pt_raw, **cloud.pt}
    places = np.arange(len(shown))[::-1]
    styles = [("0.3", "D")] * len(truth) + [("0.5", "o")] + [(colour(k), marker(k)) for k in range(len(cloud.pt))]
    for place, (name, pt), (shade, symbol) in zip(places, shown.items(), styles, strict=True):
        axes.plot([pt], [place], symbol, color=shade, markersize=11)
        away = "" if cloud.pt_gen is None or name in truth else f" ({100 * (pt / cloud.pt_gen - 1):+.1f} %)"
        words = f"{pt:.1f} GeV{away}".replace("-", "\N{MINUS SIGN}")
        axes.annotate(
            words, (pt, place), (0, 12), textcoords="offset points", ha="center", fontsize=14, bbox=BEHIND_TEXT
        )
    if cloud.pt_gen is not None:
        axes.axvline(cloud.pt_gen, color="0.7", linestyle="--", zorder=0)
    middle, half = 0.5 * (max(shown.values()) + min(shown.values())), 0.5 * (max(shown.values()) - min(shown.values()))
    half = max(2.2 * half, 0.06 * middle)
    axes.set_xlim(middle - half, middle + half)
    axes.set_ylim(-0.6, len(shown) - 0.3)
    axes.set_yticks(places, list(shown))
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_xlabel(r"$p_{\mathrm{T}}$ of the jet (GeV)")
