"""How the weights of a network are found: every setting of a recipe's ``learning``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from coffea_mljec.support.suggestions import did_you_mean
from training.learning.flavour_term import LEAST_BATCH, FlavourSettings
from training.learning.in_situ_term import InSituSettings
from training.learning.losses import CROSS_ENTROPY, LOSSES, Loss, loss_named

__all__ = ["Learning"]

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0.0)]


class Learning(BaseModel):
    """How the weights are found.

    Attributes
    ----------
    loss : str
        A name in `training.learning.losses.LOSSES`, or ``cross-entropy`` for a classification.
    classes : dict of str to tuple of int
        Class -> flavours (PDG ids without sign). A classification leaves out jets of other flavours. A regression gives
        the probabilities of the classes beside its correction, and jets of other flavours teach it the correction only.
    classes_weight : float
        Of a regression with classes: weight of their cross entropy beside the loss. 0: it has no such outputs.
    mass_from : float or None
        Raw mass in GeV from which a jet teaches its mass in full, and below in proportion: the lightest jets are the
        farthest off and would otherwise have most of the say. None: all alike.
    loss_range : float
        Targets beyond this size contribute 0 to the loss but stay in its denominator.
    flavour : FlavourSettings
        A term that makes the response of all flavours alike (`training.learning.flavour_term`).
    in_situ : InSituSettings
        A term from dijets of data without truth (`training.learning.in_situ`); it needs a start.
    teachers : tuple of Path
        Model folders: the mean of their logarithms of the correction is a second target of the correction. Widths,
        masses and classes learn from the truth alone.
    teachers_share : float
        Share of that target in the loss; the truth has the rest.
    start_from : Path or None
        A finished run, a model folder or a bundled model of the same architecture and features, whose weights the
        training starts from (`training.learning.start`). None: fresh weights.
    trained_layers : "all", "head" or "output"
        Which layers of a start are trained: all; those after the sums over a jet's constituents; the last one alone.
        The others and all norms stay as they are. Few dijets of data teach few weights best.
    ema : float or None
        Share that the running mean of the weights keeps at each batch: validation, checkpoints and the result are its.
        None: the weights themselves.
    batch_size : int
        Jets in a batch.
    learning_rate : float
        Of Adam, at the start.
    weight_decay : float
        Of Adam, decoupled (I. Loshchilov, F. Hutter, arXiv:1711.05101), on the matrices of dense layers alone.
    symmetries : bool
        Whether training jets are turned about the beam and mirrored at random (`training.dataset.symmetry`).
    schedule : "plateau" or "cosine"
        Whether the learning rate falls, and the training stops, when the validation loss no longer gains; or it rises
        during the warm-up and falls along a cosine to 0 at a known end (`learning.schedule`): for a fixed budget.
    warm_up : float
        Share of a cosine's length in which the learning rate rises.
    schedule_jets : int or None
        Length of a cosine in jets; None: ``max_epochs`` epochs.
    plateau_factor, plateau_patience : float, int
        The learning rate is multiplied by the factor after so many epochs without gain.
    stop_patience : int
        Training stops after so many epochs without gain; the best weights are kept. Not with a cosine.
    least_gain : float
        What counts as a gain in validation loss.
    max_epochs : int
        Training ends there at the latest.
    jets_per_epoch : int or None
        Validation, checkpoint and learning-rate schedule come after so many jets; None: after all of them. A pass over
        all jets is then several epochs, and a slow network loses little when it is interrupted.
    validation_jets : int or None
        Jets of the validation split, drawn once by the seed, that the validation loss is taken from; None: all.
    max_minutes : float or None
        On a plateau, training ends after the epoch in which this time is over. A cosine reaches its end when this time
        is over, if its jets do not end it before.
    threads : int
        CPU threads of torch.
    accelerator : str
        ``auto`` takes a GPU if there is one; ``cpu``, ``gpu``.
    precision : "single", "tf32" or "bf16"
        Of products on a GPU: float32; with 10 bits of mantissa and as fast as the card can; the same, and what a
        ParticleNet keeps of every edge in half precision (bfloat16). Norms, sums, the loss and a CPU use float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    loss: str = "mae"
    classes: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")], tuple[int, ...]] = {}
    classes_weight: Annotated[float, Field(ge=0.0)] = 0.1
    mass_from: Rate | None = None
    loss_range: Rate = 1.0
    flavour: FlavourSettings = FlavourSettings()
    in_situ: InSituSettings = InSituSettings()
    teachers: tuple[Path, ...] = ()
    teachers_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.7
    start_from: Path | None = None
    trained_layers: Literal["all", "head", "output"] = "all"
    ema: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    batch_size: Positive = 1024
    learning_rate: Rate = 2e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    symmetries: bool = False
    schedule: Literal["plateau", "cosine"] = "plateau"
    warm_up: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.03
    schedule_jets: Positive | None = None
    plateau_factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    plateau_patience: Positive = 5
    stop_patience: Positive = 7
    least_gain: Annotated[float, Field(ge=0.0)] = 1e-4
    max_epochs: Positive = 200
    jets_per_epoch: Positive | None = None
    validation_jets: Positive | None = None
    max_minutes: Rate | None = None
    threads: Positive = 2
    accelerator: Annotated[str, Field(pattern="^(auto|cpu|gpu)$")] = "auto"
    precision: Literal["single", "tf32", "bf16"] = "tf32"

    @field_validator("loss")
    @classmethod
    def _known_loss(cls, value: str) -> str:
        known = (*LOSSES, CROSS_ENTROPY)
        if value not in known:
            raise ValueError(f"unknown loss {value!r}: {did_you_mean(value, known)}choose one of {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _classes_can_be_told_apart(self) -> Learning:
        if self.loss == CROSS_ENTROPY and not self.classes:
            raise ValueError(f"the loss {CROSS_ENTROPY!r} is of classes: give them, or another loss")
        flavours = [flavour for part in self.classes.values() for flavour in part]
        if self.classes and (len(self.classes) < 2 or len(set(flavours)) < len(flavours)):
            raise ValueError(f"give two classes or more, each flavour in one of them; got {self.classes}")
        if self.loss == CROSS_ENTROPY and self.flavour.weight > 0:
            raise ValueError("the flavour term is for corrections of pT, not for a classification")
        return self

    @property
    def loss_function(self) -> Loss:
        """The loss, with its outputs."""
        return loss_named(self.loss, self.classes, self.classes_weight)

    @model_validator(mode="after")
    def _a_length_is_a_cosines(self) -> Learning:
        if self.schedule_jets is not None and self.schedule != "cosine":
            raise ValueError("schedule_jets is the length of a cosine: set schedule to cosine, or leave it out")
        return self

    @model_validator(mode="after")
    def _batches_suit_the_flavour_term(self) -> Learning:
        if self.flavour.weight > 0 and self.batch_size < LEAST_BATCH:
            raise ValueError(
                f"the flavour term needs batches of {LEAST_BATCH} jets or more, so that every cell has jets of every "
                f"flavour; got batch_size {self.batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _data_need_a_start_and_pairs_a_width(self) -> Learning:
        if self.in_situ.factor == 0:
            return self
        if self.start_from is None:
            raise ValueError("data hold the scale where a trained network has it: set start_from, or in_situ.factor 0")
        outputs = {output.quantity for output in self.loss_function.outputs}
        if "pt" not in outputs:
            raise ValueError(f"data show the resolution of a correction, and the loss {self.loss!r} teaches none")
        if self.in_situ.way == "pairs" and "resolution" not in outputs:
            raise ValueError(
                f"in_situ.way 'pairs' asks for both jets' widths, and the loss {self.loss!r} teaches none: take the "
                "loss 'gaussian', or in_situ.way 'asymmetry'"
            )
        return self

    @model_validator(mode="after")
    def _layers_that_stay_were_trained(self) -> Learning:
        if self.trained_layers != "all" and self.start_from is None:
            raise ValueError(
                f"trained_layers {self.trained_layers!r} leaves other layers as the start has them: set start_from, "
                "or trained_layers to all"
            )
        return self

    @model_validator(mode="after")
    def _teachers_teach_a_correction(self) -> Learning:
        if not self.teachers:
            return self
        if self.loss_function.of_classes:
            raise ValueError(f"teachers give a correction, and the loss {self.loss!r} teaches none: leave teachers out")
        if self.teachers_share == 1.0 and len(self.loss_function.outputs) > 1:
            raise ValueError(
                f"teachers give a correction alone: with teachers_share 1 nothing teaches the other outputs of the "
                f"loss {self.loss!r}. Give a smaller share, or take mae"
            )
        return self
