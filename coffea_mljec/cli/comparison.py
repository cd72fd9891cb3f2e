"""The corrections that are compared, and what becomes of the comparison: shared by the commands that measure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import awkward as ak
import typer

from coffea_mljec import defaults
from coffea_mljec.cli.first import First
from coffea_mljec.cli.options import Collection, PublicKey, Where
from coffea_mljec.cli.regression import HELP, NamedRegression
from coffea_mljec.cli.standard_path import StandardPath
from coffea_mljec.cli.terminal import err, out, say_note, say_skipped
from coffea_mljec.errors import InputError
from coffea_mljec.nano.algorithm import generator_jets, radius
from coffea_mljec.status import STATUS_TYPE

__all__ = ["AsStored", "Comparison", "figure_formats", "print_mass_tables", "print_tables", "say_written"]


class AsStored:
    """The jets as the file has them, as one more provider to compare with."""

    name = "as stored"

    def apply(self, events: Any, collection: str = "Jet") -> Any:
        """Return the collection with an ``mljec_status`` of 0: nothing was corrected."""
        jets = events[collection]
        return ak.with_field(jets, ak.values_astype(ak.zeros_like(jets["pt"]), STATUS_TYPE), "mljec_status")


@dataclass(frozen=True)
class Comparison:
    """Corrections, the jets that they are compared on, and the errors."""

    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|PATH", help="A bundled model or a model folder; repeat it for several."),
    ] = None
    public_key: PublicKey = None
    regression: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"{HELP} Repeat it for several."),
    ] = None
    collection: Collection = "Jet"
    gen_collection: Annotated[
        str | None, typer.Option(help="Generator jets to match to; those of the same radius by default.")
    ] = None
    weight: Annotated[
        str | None, typer.Option(help="Event weight, such as genWeight. Without it every event counts once.")
    ] = None
    replicas: Annotated[int, typer.Option(min=0, help="Bootstrap replicas behind the errors.")] = defaults.REPLICAS

    @property
    def jets(self) -> dict[str, str]:
        """Jets and generator jets, as the processors of `coffea_mljec.validation` take them."""
        return {
            "collection": self.collection, "gen_collection": self.gen_collection or generator_jets(self.collection),
        }  # fmt: skip

    def providers(self, path: StandardPath, where: Where, first: First) -> dict[str, Any]:
        """The stored jets, the standard path if there is one, and the corrections that the options name.

        Parameters
        ----------
        path : StandardPath
            Fallback of the others, too; with the JEC of regressions, where it has them.
        where : Where
            Of the networks.
        first : First
            Chooses the network where no correction is named; tells whether an era's events are data.

        Returns
        -------
        dict of str to provider
            In the order of the tables. Without any correction it is the best bundled network that the first file can
            feed. AK8 jets have none.

        Raises
        ------
        InputError
            If two of them have the same name, a place for networks is given and there are none, or no bundled network
            is for the jets.
        MissingBranchError
            If none was named and the file can feed no bundled network.
        """
        from coffea_mljec import MLJEC

        models: list[str | None] = [*(self.model or ())]
        chosen = path.chosen(first, self.collection)
        regressions = [NamedRegression.of(text) for text in self.regression or []]
        standard = chosen.provider(regressed=bool(regressions))
        small = radius(self.collection) in (None, 0.4)
        if not models and not regressions and standard is None and small:
            models = [None]
        found: list[Any] = [AsStored()] if standard is None else [AsStored(), standard]
        options = where.options(networks=bool(models)) | {"public_key": self.public_key}
        networks = (MLJEC(model, fallback=standard, **options) for model in models)
        found += [first.decided(network, self.collection) for network in networks]
        found += [regression.provider(chosen, standard) for regression in regressions]
        names = [provider.name for provider in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"two corrections have the name {', '.join(twice)}; compare corrections with different names."
            )
        return dict(zip(names, found, strict=True))

    def statistics(self) -> dict[str, Any]:
        """Weight and replicas, as the processors of `coffea_mljec.validation` take them."""
        return {"weight": self.weight, "replicas": self.replicas}


def figure_formats(wanted: bool) -> tuple[str, ...]:
    """Formats of the figures: none where they are not wanted, or where the libraries that draw them are not there."""
    if not wanted:
        return ()
    missing = [module for module in ("matplotlib", "mplhep") if find_spec(module) is None]
    if missing:
        say_note(f"no figures: {' and '.join(missing)} not installed (pip install 'coffea-mljec[plot]').")
        return ()
    return ("png", "pdf")


def print_tables(report: Any) -> None:
    """Print the tables of a `coffea_mljec.report.Report`, as far as it has a response."""
    from coffea_mljec.validation.response.table import rich_table

    if report.summary is None:
        return
    out.print(rich_table(report.summary))
    lost = {name: count for name, count in report.summary.non_finite.items() if count}
    if lost:
        err.print(f"left out, because a correction was not finite: {lost}")


def print_mass_tables(summary: Any) -> None:
    """Print the tables of a `coffea_mljec.validation.MassSummary`."""
    from coffea_mljec.validation.mass.sections import peak_table, scale_table

    for table in (scale_table(summary), peak_table(summary)):
        if table.rows:
            out.print(table.rich())


def say_written(report: Any, folder: Path, skipped: Iterable[Any]) -> None:
    """Say what was left out, and what a `coffea_mljec.report.Report` wrote."""
    say_skipped(sorted(skipped), folder / "skipped.json")
    written = [path.name for path in (report.page, report.numbers, report.table) if path]
    written += ["plots/"] if report.plots else []
    out.print(f"in {folder}: {', '.join(written)}", soft_wrap=True)
