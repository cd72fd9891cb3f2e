"""The pT regression that CMS stores in NanoAOD: one factor per jet, from the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, Unpack

import numpy as np
import numpy.typing as npt

from coffea_mljec.corrections.factorized import FactorizedJEC
from coffea_mljec.corrections.provider import Factors, Path, Provider
from coffea_mljec.corrections.record import stored
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Layout, raw_jets
from coffea_mljec.nano.adapter import JET_QUANTITIES
from coffea_mljec.nano.jagged import flat_column
from coffea_mljec.nano.names import REGRESSIONS
from coffea_mljec.payloads import Payload
from coffea_mljec.payloads.suitability import DEDICATED, Made, check_kind, warn_of_runs
from coffea_mljec.status import Status, mark, no_status
from coffea_mljec.systematics.shifts import SystematicOptions

__all__ = ["NanoRegression"]

AnyPayload: TypeAlias = "Payload | FactorizedJEC"
Selection: TypeAlias = "tuple[str, float]"


class NanoRegression(Provider):
    """The pT regression stored in NanoAOD, and the correction that was derived for it.

    PNet and UParT multiply the raw pT, and the product is the new raw pT, to which the payload derived for it applies
    (never the plain JEC). bReg and cReg (CHS jets of Run 2) multiply the corrected pT: that of the file, or raw pT
    corrected by a plain payload. Masses scale alike. ``pt_raw`` remains the detector's.

    ==========  ==================================================  ============================================
    regression  visible                                             with neutrinos
    ==========  ==================================================  ============================================
    PNet        PNetRegPtRawCorr                                    PNetRegPtRawCorr x PNetRegPtRawCorrNeutrino
    UParT       UParTAK4RegPtRawCorr                                UParTAK4RegPtRawCorrNeutrino
    UParTV1     UParTAK4V1RegPtRawCorr                              UParTAK4V1RegPtRawCorrNeutrino
    bReg, cReg  no such                                             bRegCorr, cRegCorr
    ==========  ==================================================  ============================================

    Parameters
    ----------
    regression : {"PNet", "UParT", "UParTV1", "bReg", "cReg"}
        Which one.
    neutrino : bool, optional
        Whether to include the neutrinos of the jet. By default not, but bReg and cReg always do.
    payload : Payload or FactorizedJEC, or a pair of them, optional
        PNet and UParT: the JEC for the regressed jets (``AK4PFPuppiPNetRegression``, with ``PlusNeutrino`` for
        the neutrino variant); with a `selection` the pair (visible, with neutrinos). bReg and cReg: the plain JEC
        applied before.
    selection : (str, float), optional
        Field of the jets and working point, ``("btagPNetB", 0.245)``: the variant with neutrinos where the field
        is at or above it, the visible one elsewhere. bReg and cReg are not applied elsewhere.
    fallback : Provider, optional
        Corrects jets that have no regression: its value is not positive (UParT stores -1 where it was not evaluated,
        PNet 0) or not finite. Without one they keep the pT of the file. ``mljec_status`` says so.
    name : str, optional
        What tables and plots call it.
    closure, residual, **systematics
        Levels on top, uncertainties and smearing: see `Provider` and `SystematicOptions`. The payload has its own
        residual; uncertainties, resolution and scale factors for regressed jets are in the same file, others need
        ``standard_jets=True``.

    Raises
    ------
    InputError
        If there is no such regression, or the payload is not the one for it.

    References
    ----------
    CMSSW, PhysicsTools/NanoAOD/python/jetsAK4_Puppi_cff.py, documentation of the branches; for UParT with neutrinos
    the corrected one of NanoAODv15.
    """

    def __init__(
        self,
        regression: str = "PNet",
        neutrino: bool | None = None,
        *,
        payload: AnyPayload | tuple[AnyPayload, AnyPayload] | None = None,
        selection: Selection | None = None,
        fallback: Provider | None = None,
        name: str | None = None,
        closure: Payload | None = None,
        residual: Payload | None = None,
        **systematics: Unpack[SystematicOptions],
    ) -> None:
        if regression not in REGRESSIONS:
            raise InputError(f"no stored regression {regression!r}; expected one of {', '.join(REGRESSIONS)}.")
        self.regression = regression
        self.selection = _checked_selection(selection)
        self.neutrino = self._checked_neutrino(neutrino)
        self.payloads = self._checked_payloads(payload)
        super().__init__(name or self._default_name(), fallback, closure=closure, residual=residual, **systematics)

    def __repr__(self) -> str:
        payloads = [f"{one.tag} {one.algorithm}" for one in self.payloads.values()]
        return f"NanoRegression({', '.join([repr(self.name), *payloads])})"

    @property
    def algorithm(self) -> str | None:
        """The jets that the payload is for; None without one."""
        return next((payload.algorithm for payload in self.payloads.values()), None)

    def _own_payloads(self) -> tuple[Made, ...]:
        return tuple(self.payloads.values())

    def _measured_on_own_jets(self, made: Made) -> bool:
        what = DEDICATED.fullmatch(made.algorithm)
        if what is None or what["network"] != self._network:
            return False
        return self.selection is not None or (what["neutrino"] is not None) == self.neutrino

    @property
    def _network(self) -> str:
        """Its name in those of payloads."""
        return "UParT" if self.regression.startswith("UParT") else self.regression

    def _check_collection(self, layout: Layout) -> None:
        super()._check_collection(layout)
        for payload in self.payloads.values():
            check_kind(payload.is_data, layout, f"{self._user} with {payload.tag} {payload.algorithm}")

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
    def _user(self) -> str:
        return f"the stored regression {self.regression}"

    def _default_name(self) -> str:
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

    def _checked_payloads(self, payload: AnyPayload | tuple[AnyPayload, AnyPayload] | None) -> dict[str, Payload]:
        """Variant -> payload, empty without any."""
        if payload is None:
            return {}
        variants = ("before",) if self._on_corrected else self._variants
        given = payload if isinstance(payload, tuple) else (payload,)
        if len(given) != len(variants):
            expected = "one payload" if len(variants) == 1 else "a pair of payloads, (visible, with neutrinos)"
            raise InputError(f"{self._user} needs {expected}; got {len(given)}.")
        found = {}
        for variant, one in zip(variants, given, strict=True):
            one = one.payload if isinstance(one, FactorizedJEC) else one
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
                f"{self._user}, which corrects for the same effects. Read the payload for {payload.algorithm}{wanted} "
                "(jet_jerc_PNet.json.gz), or give none."
            )
        if what["network"] != self._network or (what["neutrino"] is not None) != (variant == "neutrino"):
            raise InputError(
                f"{payload.tag} {payload.algorithm} is for another regression than {self.regression} "
                f"{'with' if variant == 'neutrino' else 'without'} neutrinos. Read the payload for "
                f"{what['jets']}{wanted}."
            )

    def _paths(self, layout: Layout) -> Iterable[Path]:
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
                f"{self._user} needs {', '.join(f'{collection}_{field}' for field in missing)}, and the file lacks "
                f"{'it' if len(missing) == 1 else 'them'}. Regressions that it has for {collection}: "
                f"{', '.join(stored_here) or 'none'}. The standard path (FactorizedJEC) works on any NanoAOD."
            )
        paths = [(collection, field) for field in dict.fromkeys(wanted)]
        if self.selection is not None:
            if self.selection[0] not in has:
                raise MissingBranchError(
                    f"the selection of {self._user} needs {collection}_{self.selection[0]}, and the file lacks it; "
                    f"tags that it has: {', '.join(field for field in has if field.startswith('btag')) or 'none'}."
                )
            paths.append((collection, self.selection[0]))
        sources = [source for name in self._inputs for source in JET_QUANTITIES[name]]
        return [*paths, *(layout.require(kind, quantity, self._user) for kind, quantity in sources)]

    @property
    def _inputs(self) -> tuple[str, ...]:
        """Canonical names of what the payloads read beyond pT, and the run of data."""
        payloads = self.payloads.values()
        names = {name for payload in payloads for name in payload.inputs} - {"pt_raw"}
        return tuple(sorted(names | {"run" for payload in payloads if payload.is_data}))

    def _factor(self, events: Any, layout: Layout) -> Factors:
        jets = events[layout.collection]
        self._paths(layout)  # says what the file lacks
        columns, _ = raw_jets(events, layout, ("pt_raw", *self._inputs), self._user)
        for payload in self.payloads.values():
            if payload.is_data:
                warn_of_runs(payload, columns["run"])
        pt_raw = columns["pt_raw"].astype(np.float64)
        above = None
        if self.selection is not None:
            with np.errstate(invalid="ignore"):  # a tag that is NaN is below
                above = flat_column(jets[self.selection[0]], self.selection[0]) >= self.selection[1]
        regressed = {variant: self._stored_factor(jets, variant) for variant in self._variants}
        status = no_status(pt_raw.size)
        good_input = np.isfinite(pt_raw) & (pt_raw > 0)
        if self._on_corrected:
            factor, covered = self._corrected_before(jets, columns, pt_raw)
            step = regressed["neutrino"]
            factor = factor * (step if above is None else np.where(above, step, 1.0))
        else:
            factor, covered = np.ones(pt_raw.size), np.ones(pt_raw.size, np.bool_)
            for variant, step in regressed.items():
                total, valid = self._with_payload(variant, step, columns, pt_raw)
                here = np.ones(pt_raw.size, np.bool_) if above is None else above == (variant == "neutrino")
                factor, covered = np.where(here, total, factor), np.where(here, valid, covered)
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(factor)
            usable = good_input & covered & finite & (factor > 0)
        mark(status, usable, Status.APPLIED)
        mark(status, ~good_input, Status.BAD_INPUT)
        mark(status, good_input & ~finite, Status.NON_FINITE)
        mark(status, good_input & finite & ~usable, Status.OUT_OF_DOMAIN)
        return np.where(usable, factor, 1.0), status

    def _stored_factor(self, jets: Any, variant: str) -> npt.NDArray[np.float64]:
        """The product of the stored factors; not positive where one of them is not positive."""
        fields = REGRESSIONS[self.regression][variant]
        factors = [flat_column(jets[field], field).astype(np.float64) for field in fields]
        product = np.prod(factors, axis=0)
        with np.errstate(invalid="ignore"):
            refused = np.any([factor <= 0 for factor in factors], axis=0)  # two negative ones would pass
        return np.where(refused, 0.0, product)

    def _with_payload(
        self, variant: str, step: npt.NDArray[np.float64], columns: dict[str, Any], pt_raw: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        if variant not in self.payloads:
            return step, np.ones(step.size, np.bool_)
        with np.errstate(invalid="ignore"):
            jec, valid = self.payloads[variant].evaluate(columns | {"pt_raw": pt_raw * step})
            known = np.isfinite(step) & (step > 0)
        # Without a regression there is nothing to evaluate the payload at: the regression's own value tells why.
        return np.where(known, np.where(valid, step * jec, 0.0), step), valid | ~known

    def _corrected_before(
        self, jets: Any, columns: dict[str, Any], pt_raw: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """corrected / raw before the regression."""
        if "before" in self.payloads:
            factor, valid = self.payloads["before"].evaluate(columns)
            return np.where(valid, factor, 0.0), valid
        with np.errstate(invalid="ignore", divide="ignore"):
            return stored(jets, "pt") / pt_raw, np.ones(pt_raw.size, np.bool_)


def _checked_selection(selection: Selection | None) -> Selection | None:
    if selection is None:
        return None
    try:
        field, working_point = selection
        return str(field), float(working_point)
    except (TypeError, ValueError):
        raise InputError(
            f"selection must be (field of the jets, working point), such as ('btagPNetB', 0.245); got {selection!r}."
        ) from None
