"""`NanoRegression`: the pT regression that CMS stores in NanoAOD."""

from __future__ import annotations

from typing import TypeAlias, Unpack, final

from coffea_mljec.corrections.factorized import FactorizedJEC
from coffea_mljec.corrections.provider import Provider, check_options
from coffea_mljec.corrections.stored_regression import StoredRegression
from coffea_mljec.payloads import Payload
from coffea_mljec.systematics.shifts import SystematicOptions

__all__ = ["NanoRegression"]

AnyPayload: TypeAlias = "Payload | FactorizedJEC"
Selection: TypeAlias = "tuple[str, float]"


@final
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
        check_options(NanoRegression, systematics)
        payloads: tuple[Payload, ...] | None = None
        if payload is not None:
            given = payload if isinstance(payload, tuple) else (payload,)
            payloads = tuple(one.payload if isinstance(one, FactorizedJEC) else one for one in given)
        stored = StoredRegression(regression, neutrino, payloads, selection)
        super().__init__(stored, fallback, name=name or stored.name, closure=closure, residual=residual, **systematics)
        self._stored = stored

    @property
    def includes_neutrinos(self) -> bool:
        """Whether the jets, or those that the selection picks, include their neutrinos."""
        return bool(self._stored.neutrino) or self._stored.selection is not None
