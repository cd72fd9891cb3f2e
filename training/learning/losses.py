"""The losses, by the names that a recipe gives them (``learning.loss``), and what each makes a network give.

Where a recipe asks for masses beside pT (``selection.masses``), each adds a term of its own y, the logarithm of
generator over raw mass (soft-drop mass over soft-drop mass): |y - y_hat|, or the loss of the mode.

A loss is a weighted mean over the jets of a batch: losses of batches, weighted by the sums of their jets' weights, add
up to the loss of all jets. Targets beyond the range contribute 0 and stay in the denominator, the sum of the weights
(reference thesis, equation 6.8). Formulas: ``docs/explanation/physics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from training.dataset.selection import mass_column, mass_weight_column

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CROSS_ENTROPY", "LOSSES", "QUANTILES", "Loss", "Taught", "class_term", "correction_of", "loss_named", "loss_of",
    "teachers_term",
]  # fmt: skip

CROSS_ENTROPY = "cross-entropy"
"""The loss of a classification: its outputs are the classes of the recipe (``learning.classes``)."""

QUANTILES = (0.16, 0.5, 0.84)
"""The median, and what encloses 68 % about it."""

MASS_RANGE = 3.0
"""Masses whose target is beyond this size contribute 0. Groomed, a jet of one parton may lose almost all its mass."""

MODE_KERNEL = 0.03
"""Width in ln(pT) within which jets count towards the mode. A wider one moves the mode of a skewed response towards its
mean, by its square; of a narrower one fewer jets have a say."""

MODE_LEAK = 0.01
"""Slope of the loss of the mode far from it: a network that begins far off finds its way, and the mode moves by a few
hundredths of its distance to the median."""

_USUAL_WIDTH = -2.0
"""ln of the width that a network starts from: 0.14."""


_LEAST_WIDTH = -4.0
"""ln of the least width of a Gaussian, 1.8 %: no jet is measured better, and one far off would outweigh all others."""


@dataclass(frozen=True)
class Taught:
    """One output of a network.

    Attributes
    ----------
    name, quantity, transform : str
        As of `coffea_mljec.models.outputs.Output`.
    start : float
        Bias of the output before the training.
    """

    name: str
    quantity: str
    transform: str
    start: float = 0.0


@dataclass(frozen=True)
class Loss:
    """A loss, and the outputs that it teaches; of a regression, the first is the logarithm of the correction.

    Attributes
    ----------
    each : callable
        (predicted [n, outputs], target [n]) -> what each jet contributes, [n].
    outputs : tuple of Taught
        In order.
    of_classes : bool
        Whether the target is the number of a class: then the outputs are logarithms of probabilities, up to a constant,
        and no target is beyond the range.
    clip : float or None
        Norm to which the gradient of a batch is shortened: a Gaussian's grows with the square of how far jets are off.
    masses : tuple of str
        Masses that are learnt beside pT; their outputs are the last ones.
    of_mass : callable
        y - y_hat of a mass -> what each jet contributes, [n].
    """

    each: Callable[[Tensor, Tensor], Tensor]
    outputs: tuple[Taught, ...]
    of_classes: bool = False
    clip: float | None = None
    masses: tuple[str, ...] = ()
    of_mass: Callable[[Tensor], Tensor] = abs

    def __call__(self, predicted: Tensor, target: Tensor, weight: Tensor, loss_range: float = 1.0) -> Tensor:
        """Return the mean of w times what each jet contributes, over the jets with |y| < range.

        Parameters
        ----------
        predicted : Tensor [n, outputs], or [n] of one output
        target : Tensor [n], or [n, 1 + 2 masses]
            y = ln(pt_gen / pt_raw), the logarithm of the correction; or the number of a class. Then those of masses,
            then what each of these counts, 0 to 1.
        weight : Tensor [n]
            Of the jets; all 1 for the plain mean.
        loss_range : float
        """
        predicted = predicted[:, None] if predicted.ndim == 1 else predicted
        target = target[:, None] if target.ndim == 1 else target
        own = predicted.shape[1] - len(self.masses)
        each = _within(target[:, 0], math.inf if self.of_classes else loss_range) * self.each(
            predicted[:, :own], target[:, 0]
        )
        for number in range(len(self.masses)):
            mass, counts = target[:, 1 + number], target[:, 1 + len(self.masses) + number]
            each = each + counts * _within(mass, MASS_RANGE) * self.of_mass(mass - predicted[:, own + number])
        return (weight * each).sum() / weight.sum()

    def targets(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What a batch has for this loss: [n], or [n, `width`]."""
        if not self.masses:
            return batch["target"]
        import torch

        of_masses = [batch[column(name)] for column in (mass_column, mass_weight_column) for name in self.masses]
        return torch.stack([batch["target"], *of_masses], dim=1)

    @property
    def width(self) -> int:
        """Columns of the targets."""
        return 1 + 2 * len(self.masses)

    @property
    def starts(self) -> tuple[float, ...]:
        """Biases of the outputs before the training."""
        return tuple(output.start for output in self.outputs)

    def card_outputs(self, single: str, several: str) -> list[dict[str, Any]]:
        """The outputs as a model card names them: of a graph with one, or with several columns."""
        if len(self.outputs) == 1:
            return [{"name": single, "quantity": self.outputs[0].quantity, "transform": self.outputs[0].transform}]
        return [
            {"name": o.name, "quantity": o.quantity, "transform": o.transform, "graph": several, "column": column}
            for column, o in enumerate(self.outputs)
        ]


def _within(target: Tensor, limit: float) -> Tensor:
    return (target.abs() < limit).to(target.dtype)


def correction_of(predicted: Tensor) -> Tensor:
    """The logarithm of the correction among a network's outputs, [n]."""
    return predicted if predicted.ndim == 1 else predicted[:, 0]


def _absolute_error(predicted: Tensor, target: Tensor) -> Tensor:
    """|y - y_hat|: the median."""
    return (target - predicted[:, 0]).abs()


def _pinball(predicted: Tensor, target: Tensor) -> Tensor:
    """Twice the pinball losses of `QUANTILES`, so that the median's is |y - y_hat|.

    The outer ones are the median minus and plus exponentials: they cannot cross it.
    """
    return _pinball_about(predicted[:, 0], predicted, target, QUANTILES)


def _pinball_about(middle: Tensor, predicted: Tensor, target: Tensor, levels: tuple[float, ...]) -> Tensor:
    """Pinball losses of the middle minus and plus exponentials; of the middle itself where there are three levels."""
    import torch

    inner = [middle] if len(levels) == len(QUANTILES) else []
    quantiles = torch.stack([middle - predicted[:, 1].exp(), *inner, middle + predicted[:, 2].exp()], dim=1)
    level = torch.tensor(levels, dtype=predicted.dtype, device=predicted.device)
    off = target[:, None] - quantiles
    return 2.0 * torch.maximum(level * off, (level - 1.0) * off).sum(dim=1)


def _leaky_kernel(off: Tensor) -> Tensor:
    """A Gaussian kernel upside down, with a slope far from it: its least mean is where most jets are, the mode.

    ATLAS's leaky Gaussian kernel (ATL-PHYS-PUB-2018-013), times its width.
    """
    return MODE_KERNEL * (1.0 - (-0.5 * (off / MODE_KERNEL) ** 2).exp()) + MODE_LEAK * off.abs()


def _mode(predicted: Tensor, target: Tensor) -> Tensor:
    """The mode, and `QUANTILES` about it: what they learn does not move it."""
    mode = predicted[:, 0]
    outer = _pinball_about(mode.detach(), predicted, target, (QUANTILES[0], QUANTILES[-1]))
    return _leaky_kernel(target - mode) + outer


def _gaussian(predicted: Tensor, target: Tensor) -> Tensor:
    """-ln of a Gaussian of y about mu with width sigma, without its constant; the second output is ln(sigma)."""
    mu, log_sigma = predicted[:, 0], predicted[:, 1].clamp(min=_LEAST_WIDTH)
    return 0.5 * ((target - mu) * (-log_sigma).exp()) ** 2 + log_sigma


def _cross_entropy(predicted: Tensor, target: Tensor) -> Tensor:
    """-ln of the probability that a jet's own class gets."""
    import torch

    return torch.nn.functional.cross_entropy(predicted, target.long(), reduction="none")


_OUTER = (
    Taught("q16", f"quantile:{QUANTILES[0]}", "below", _USUAL_WIDTH),
    Taught("q84", f"quantile:{QUANTILES[2]}", "above", _USUAL_WIDTH),
)

LOSSES: Mapping[str, Loss] = {
    "mae": Loss(_absolute_error, (Taught("log_correction", "pt", "exp"),)),
    "quantiles": Loss(_pinball, (Taught("q50", "pt", "exp"), *_OUTER)),
    "mode": Loss(_mode, (Taught("mode", "pt", "exp"), *_OUTER), of_mass=_leaky_kernel),
    "gaussian": Loss(
        _gaussian, (Taught("mu", "pt", "exp"), Taught("sigma", "resolution", "exp", _USUAL_WIDTH)), clip=1.0
    ),
}
"""Name -> loss of a regression; `loss_named` knows the cross entropy too."""


def teachers_term(predicted: Tensor, taught: Tensor, weight: Tensor) -> Tensor:
    """Return the mean of w |y_t - y_hat|, where y_t is the teachers' logarithm of the correction.

    The correction alone: teachers agree with each other far better than with the truth, so their values would teach
    widths that are too narrow.

    Parameters
    ----------
    predicted : Tensor [n, outputs], or [n] of one output
    taught, weight : Tensor [n]
    """
    return (weight * (taught - correction_of(predicted)).abs()).sum() / weight.sum()


def class_term(predicted: Tensor, number: Tensor, weight: Tensor, classes: int) -> Tensor:
    """Return the cross entropy of the classes that stand behind a regression's outputs: a mean like the loss.

    Parameters
    ----------
    predicted : Tensor [n, outputs]
    number : Tensor [n]
        Of each jet's class, int64. Jets of no class have -1: they contribute 0 and stay in the denominator.
    weight : Tensor [n]
    classes : int
        How many there are.
    """
    import torch

    each = torch.nn.functional.cross_entropy(predicted[:, -classes:], number, ignore_index=-1, reduction="none")
    return (weight * each).sum() / weight.sum()


def loss_named(name: str, classes: Iterable[str] = (), classes_weight: float = 1.0, masses: Iterable[str] = ()) -> Loss:
    """The loss of a name, with one output more for each mass, its median or mode, and for each class, whose softmax is
    the class's probability.

    The cross entropy teaches nothing else. Of a regression the classes stand last, and `class_term` teaches them; with
    the weight 0 there are none.
    """
    of_classes = tuple(Taught(each, f"probability:{each}", "softmax") for each in classes)
    if name == CROSS_ENTROPY:
        return Loss(_cross_entropy, of_classes, True)
    if classes_weight == 0.0:
        of_classes = ()
    of_masses = tuple(Taught(mass, *_MASSES[mass]) for mass in masses)
    loss = LOSSES[name]
    return replace(loss, outputs=loss.outputs + of_masses + of_classes, masses=tuple(masses))


_MASSES = {"mass": ("mass", "exp_times_raw"), "msoftdrop": ("mass:msoftdrop", "exp_times_groomed")}


def loss_of(record: Mapping[str, Any]) -> Loss:
    """The loss of a run, from its record (`training.learning.run_folder`); trees have that of a single output."""
    recipe = record.get("recipe", {})
    learning, masses = recipe.get("learning", {}), recipe.get("selection", {}).get("masses", ())
    return loss_named(
        learning.get("loss", "mae"), learning.get("classes", {}), learning.get("classes_weight", 1.0), masses
    )
