"""The pT regression that CMS stores in NanoAOD as a correction: one factor per jet, from the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.quantities import REGRESSION_WIDTHS, REGRESSIONS
from coffea_mljec.nano.requirements import jet_branches
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import (
    DEDICATED,
    Made,
    check_algorithm,
    check_kind,
    warn_of_campaign,
    warn_of_runs,
)
from coffea_mljec.status import Status, mark, no_status

__all__ = ["Selection", "StoredRegression", "checked_selection"]

Selection: TypeAlias = "tuple[str, float]"
Columns = dict[str, npt.NDArray[Any]]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class StoredRegression(Correction):
    """See `coffea_mljec.NanoRegression`.

    Parameters
    ----------
    regression : str
        A key of `coffea_mljec.nano.quantities.REGRESSIONS`.
    neutrino : bool or None
    payloads : tuple of Payload or None
        One, or with a selection a pair, (visible, with neutrinos).
    selection : (str, float) or None
    """

    def __init__(
        self,
        regression: str,
        neutrino: bool | None,
        payloads: tuple[Payload, ...] | None,
        selection: Selection | None,
    ) -> None:
        if regression not in REGRESSIONS:
            raise InputError(f"no stored regression {regression!r}; expected one of {', '.join(REGRESSIONS)}.")
        self.regression = regression
        self.selection = checked_selection(selection)
        self.neutrino = self._checked_neutrino(neutrino)
        self._payloads = self._checked_payloads(payloads)

    @property
    def summary(self) -> str:
        """The regression, and what was derived for it."""
        payloads = [f"{one.tag} {one.algorithm}" for one in self._payloads.values()]
        return ", ".join([f"{self.regression} stored in NanoAOD", *payloads])

    @property
    def asker(self) -> str:
        """What messages call it."""
        return f"the stored regression {self.regression}"

    @property
    def algorithm(self) -> str | None:
        """The jets that the payload is for; None without one."""
        return next((payload.algorithm for payload in self._payloads.values()), None)

    @property
    def payloads(self) -> tuple[Made, ...]:
        """Those that were derived for it."""
        return tuple(self._payloads.values())

    def measured_on_own_jets(self, made: Made) -> bool:
        """Whether a payload was derived for jets of this regression."""
        what = DEDICATED.fullmatch(made.algorithm)
        if what is None or what["network"] != self._network:
            return False
        return self.selection is not None or (what["neutrino"] is not None) == self.neutrino

    @property
    def _network(self) -> str:
        """Its name in those of payloads."""
        return "UParT" if self.regression.startswith("UParT") else self.regression

    def check(self, layout: Layout) -> None:
        """Refuse payloads for jets of another size; warn of those for other jets or data."""
        if self.algorithm is not None:
            check_algorithm(self.algorithm, layout, self.asker)
        for payload in self._payloads.values():
            check_kind(payload.is_data, layout, f"{self.asker} with {payload.tag} {payload.algorithm}")

    @property
    def _on_corrected(self) -> bool:
        """Whether the factor multiplies corrected pT."""
        return not REGRESSIONS[self.regression]["visible"]

    @property
    def _variants(self) -> tuple[str, ...]:
        if self.selection is not None:
            return ("visible", "neutrino")
        return ("neutrino",) if self.neutrino else ("visible",)

    @property
    def name(self) -> str:
        """What tables and plots call it, by default."""
        if self._on_corrected:
            return self.regression
        if self.selection is not None:
            return f"{self.regression} by {self.selection[0]}"
        return f"{self.regression}+neutrino" if self.neutrino else self.regression

    def _checked_neutrino(self, neutrino: bool | None) -> bool | None:
        if self.selection is not None:
            if neutrino is not None:
                raise InputError(
                    f"neutrino={neutrino} and selection={self.selection} contradict each other: the selection decides "
                    "jet by jet. Leave neutrino out."
                )
            return None
        if self._on_corrected and neutrino is False:
            raise InputError(f"{self.regression} always includes neutrinos; leave neutrino out.")
        return self._on_corrected if neutrino is None else bool(neutrino)

    def _checked_payloads(self, given: tuple[Payload, ...] | None) -> dict[str, Payload]:
        """Variant -> payload, empty without any."""
        if given is None:
            return {}
        variants = ("before",) if self._on_corrected else self._variants
        if len(given) != len(variants):
            expected = "one payload" if len(variants) == 1 else "a pair of payloads, (visible, with neutrinos)"
            raise InputError(f"{self.asker} needs {expected}; got {len(given)}.")
        found = {}
        for variant, one in zip(variants, given, strict=True):
            if not isinstance(one, Payload):
                raise InputError(
                    f"payload must be read first, FactorizedJEC.from_json(path, tag, algorithm); got {one!r}."
                )
            self._check_algorithm(variant, one)
            found[variant] = one
        return found

    def _check_algorithm(self, variant: str, payload: Payload) -> None:
        what = DEDICATED.fullmatch(payload.algorithm)
        if variant == "before":
            if what is not None:
                raise InputError(
                    f"{self.regression} multiplies jets corrected by the plain JEC; got a payload for "
                    f"{payload.algorithm}. Read the plain one ({what['jets']})."
                )
            return
        wanted = f"{self._network}Regression{'PlusNeutrino' if variant == 'neutrino' else ''}"
        if what is None:
            raise InputError(
                f"{payload.tag} {payload.algorithm} is the plain JEC: it must not be applied on top of "
                f"{self.asker}, which corrects for the same effects. Read the payload for {payload.algorithm}{wanted} "
                "(jet_jerc_PNet.json.gz), or give none."
            )
        if what["network"] != self._network or (what["neutrino"] is not None) != (variant == "neutrino"):
            raise InputError(
                f"{payload.tag} {payload.algorithm} is for another regression than {self.regression} "
                f"{'with' if variant == 'neutrino' else 'without'} neutrinos. Read the payload for "
                f"{what['jets']}{wanted}."
            )

    def branches(self, layout: Layout) -> Iterable[Branch]:
        """The regression's fields, the tag of the selection, and what the payloads read."""
        collection = layout.collection
        has = layout.fields[collection]
        wanted = [field for variant in self._variants for field in REGRESSIONS[self.regression][variant]]
        missing = [field for field in dict.fromkeys(wanted) if field not in has]
        if missing:
            stored_here = [
                name for name, variants in REGRESSIONS.items()
                if any(fields and set(fields) <= set(has) for fields in variants.values())
            ]  # fmt: skip
            raise MissingBranchError(
                f"{self.asker} needs {', '.join(f'{collection}_{field}' for field in missing)}, and the file lacks "
                f"{'it' if len(missing) == 1 else 'them'}. Regressions that it has for {collection}: "
                f"{', '.join(stored_here) or 'none'}. The standard path (FactorizedJEC) works on any NanoAOD."
            )
        branches = [Branch(collection, field) for field in dict.fromkeys(wanted)]
        if self.selection is not None:
            if self.selection[0] not in has:
                raise MissingBranchError(
                    f"the selection of {self.asker} needs {collection}_{self.selection[0]}, and the file lacks it; "
                    f"tags that it has: {', '.join(field for field in has if field.startswith('btag')) or 'none'}."
                )
            branches.append(Branch(collection, self.selection[0]))
        branches += [Branch(collection, field) for field in self._width_fields(layout)]
        return [*dict.fromkeys(branches), *jet_branches(layout, self._inputs, self.asker)]

    def _width_fields(self, layout: Layout) -> tuple[str, ...]:
        """The width and what it is relative to; nothing where the file lacks one of them."""
        width, relative_to = REGRESSION_WIDTHS[self.regression]
        fields = (width, *relative_to)
        return fields if set(fields) <= set(layout.fields[layout.collection]) else ()

    @property
    def _inputs(self) -> tuple[str, ...]:
        """Quantities that the payloads read beyond pT, and the run of data."""
        payloads = self._payloads.values()
        names = {name for payload in payloads for name in payload.inputs} - {"pt_raw"}
        return tuple(sorted(names | {"run" for payload in payloads if payload.is_data}))

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """``pt_resolution``, where the file stores the regression's width."""
        return ("pt_resolution",) if self._width_fields(layout) else ()

    def factor(self, chunk: JetChunk) -> Factors:
        """The stored factors, and where they can be used."""
        self.branches(chunk.layout)  # says what the file lacks
        columns = chunk.jets(("pt_raw", *self._inputs))
        for payload in self._payloads.values():
            if payload.is_data:
                warn_of_runs(payload, columns["run"])
            else:
                warn_of_campaign(payload, chunk.source.places)
        pt_raw = columns["pt_raw"].astype(np.float64)
        factor, covered = self._total(chunk, columns, pt_raw)
        status = no_status(pt_raw.size)
        good_input = ~chunk.bad(("pt_stored", *self._inputs) if self._on_corrected else self._inputs)
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(factor)
            usable = good_input & covered & finite & (factor > 0)
        mark(status, usable, Status.APPLIED)
        mark(status, ~good_input, Status.BAD_INPUT)
        mark(status, good_input & ~finite, Status.NON_FINITE)
        mark(status, good_input & finite & ~usable, Status.OUT_OF_DOMAIN)
        widths = self._width_fields(chunk.layout)
        extras = {"pt_resolution": np.where(usable, self._width(chunk, widths), np.nan)} if widths else {}
        return Factors(np.where(usable, factor, 1.0), status, extras)

    @staticmethod
    def _width(chunk: JetChunk, fields: tuple[str, ...]) -> FloatArray:
        """Relative width of the corrected pT; NaN where the file has none."""
        width, *relative_to = (chunk.field(field).astype(np.float64) for field in fields)
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = width / np.prod(relative_to, axis=0)
            return np.where(relative > 0, relative, np.nan)

    def _total(self, chunk: JetChunk, columns: Columns, pt_raw: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Corrected / raw, and where the payloads reach."""
        above = None
        if self.selection is not None:
            with np.errstate(invalid="ignore"):  # a tag that is NaN is below
                above = chunk.field(self.selection[0]) >= self.selection[1]
        regressed = {variant: self._stored_factor(chunk, variant) for variant in self._variants}
        if self._on_corrected:
            factor, covered = self._corrected_before(chunk, columns, pt_raw)
            step = regressed["neutrino"]
            return factor * (step if above is None else np.where(above, step, 1.0)), covered
        factor, covered = np.ones(pt_raw.size), np.ones(pt_raw.size, np.bool_)
        for variant, step in regressed.items():
            total, valid = self._with_payload(variant, step, columns, pt_raw)
            here = np.ones(pt_raw.size, np.bool_) if above is None else above == (variant == "neutrino")
            factor, covered = np.where(here, total, factor), np.where(here, valid, covered)
        return factor, covered

    def _stored_factor(self, chunk: JetChunk, variant: str) -> FloatArray:
        """The product of the stored factors; not positive where one of them is not positive."""
        fields = REGRESSIONS[self.regression][variant]
        factors = [chunk.field(field).astype(np.float64) for field in fields]
        product = np.prod(factors, axis=0)
        with np.errstate(invalid="ignore"):
            refused = np.any([factor <= 0 for factor in factors], axis=0)  # two negative ones would pass
        return np.where(refused, 0.0, product)

    def _with_payload(
        self, variant: str, step: FloatArray, columns: Columns, pt_raw: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        if variant not in self._payloads:
            return step, np.ones(step.size, np.bool_)
        with np.errstate(invalid="ignore"):
            jec, valid = self._payloads[variant].evaluate(columns | {"pt_raw": pt_raw * step})
            known = np.isfinite(step) & (step > 0)
        # Without a regression there is nothing to evaluate the payload at: the regression's own value tells why.
        return np.where(known, np.where(valid, step * jec, 0.0), step), valid | ~known

    def _corrected_before(self, chunk: JetChunk, columns: Columns, pt_raw: FloatArray) -> tuple[FloatArray, BoolArray]:
        """corrected / raw before the regression."""
        if "before" in self._payloads:
            factor, valid = self._payloads["before"].evaluate(columns)
            return np.where(valid, factor, 0.0), valid
        with np.errstate(invalid="ignore", divide="ignore"):
            return chunk.jet("pt_stored").astype(np.float32) / pt_raw, np.ones(pt_raw.size, np.bool_)


def checked_selection(selection: Selection | None) -> Selection | None:
    """A field of the jets and a number, or None; raises InputError."""
    if selection is None:
        return None
    try:
        field, working_point = selection
        return str(field), float(working_point)
    except (TypeError, ValueError):
        raise InputError(
            f"selection must be (field of the jets, working point), such as ('btagPNetB', 0.245); got {selection!r}."
        ) from None
