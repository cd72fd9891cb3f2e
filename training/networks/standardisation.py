"""How inputs are brought to order one: a transform per feature, then shift and scale. It lives inside the graph.

Nothing is clipped: an infinity or a NaN that enters comes out as one and is flagged (``mljec_status``), while the
logarithms keep long tails and sentinels (CMS stores an impact parameter of -1 for "no track") within reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from coffea_mljec.errors import InputError
from coffea_mljec.features import CATALOGUE

__all__ = ["DEFAULT_TRANSFORMS", "Standardisation", "Transform", "default_transform", "fit_standardisation"]


class Transform(BaseModel):
    """What happens to one feature ``x`` before shift and scale.

    Attributes
    ----------
    kind : "identity" or "symlog"
        ``x``, or ``sign(x) log(1 + |x| / unit)``.
    unit : float
        Where the logarithm takes over from the straight line, in the feature's own unit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["identity", "symlog"] = "identity"
    unit: Annotated[float, Field(gt=0.0)] = 1.0

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the transformed values, float64 array of the same shape."""
        values: NDArray[np.float64] = np.asarray(x, np.float64)
        if self.kind == "symlog":
            values = np.copysign(np.log1p(np.abs(values) / self.unit), values)
        return values


def _symlog(unit: float) -> Transform:
    return Transform(kind="symlog", unit=unit)


#: Units near the resolution of impact parameters (20 um at 10 GeV), the softest candidates and typical jets. What is
#: not named keeps its value: angles, flags, and what is a logarithm or of order one already.
DEFAULT_TRANSFORMS: Mapping[str, Mapping[str, Transform]] = {
    "jet": {
        "pt": _symlog(10.0), "mass": _symlog(1.0), "soft_drop_mass": _symlog(1.0), "multiplicity": _symlog(5.0),
        "rho": _symlog(10.0), "n_pv": _symlog(10.0),
    },
    "charged": {
        "pt": _symlog(0.3), "rel_pt": _symlog(0.01), "dxy": _symlog(0.002), "dxy_sig": _symlog(1.0),
        "dz": _symlog(0.005), "norm_chi2": _symlog(1.0),
    },
    "neutral": {"pt": _symlog(0.3), "rel_pt": _symlog(0.01)},
    "sv": {
        "pt": _symlog(1.0), "rel_pt": _symlog(0.01), "mass": _symlog(0.5), "flight_distance": _symlog(0.1),
        "flight_significance": _symlog(1.0), "n_tracks": _symlog(1.0),
    },
}  # fmt: skip


def default_transform(collection: str, feature: str) -> Transform:
    """Return the transform of one feature of one collection."""
    return DEFAULT_TRANSFORMS.get(collection, {}).get(feature, Transform())


class Standardisation(BaseModel):
    """``(transform(x) - shift) / scale`` for the ordered features of one collection.

    Attributes
    ----------
    features : tuple of str
        The features, in the order of the columns.
    transforms : tuple of Transform
        One each.
    shift, scale : tuple of float
        One each; scales are positive.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: tuple[str, ...]
    transforms: tuple[Transform, ...]
    shift: tuple[float, ...]
    scale: tuple[Annotated[float, Field(gt=0.0)], ...]

    @classmethod
    def neutral(cls, collection: str, features: Sequence[str]) -> Standardisation:
        """Return the default transforms with shift 0 and scale 1."""
        n = len(features)
        transforms = tuple(default_transform(collection, name) for name in features)
        return cls(features=tuple(features), transforms=transforms, shift=(0.0,) * n, scale=(1.0,) * n)

    @property
    def symlog_columns(self) -> NDArray[np.int64]:
        """Positions of the features that are transformed by ``symlog``, int64 array."""
        return np.array([i for i, transform in enumerate(self.transforms) if transform.kind == "symlog"], np.int64)

    @property
    def units(self) -> NDArray[np.float64]:
        """The transforms' units, float64 array [F]."""
        return np.array([transform.unit for transform in self.transforms], np.float64)

    def __call__(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the standardised rows of ``x`` [N, F], in double precision (the reference for torch and ONNX)."""
        columns = [transform(x[:, i]) for i, transform in enumerate(self.transforms)]
        transformed = np.stack(columns, axis=1) if columns else np.zeros((len(x), 0))
        return (transformed - np.array(self.shift)) / np.array(self.scale)


def fit_standardisation(
    collection: str,
    features: Sequence[str],
    sample: NDArray[np.floating],
    transforms: Mapping[str, Transform] | None = None,
) -> Standardisation:
    """Fit shift and scale on rows of the training set: median and interquartile range, so that tails do not matter.

    Where more than half of the rows share one value the range is 0; then mean and standard deviation serve, and a
    feature with a single value gets scale 1. Flags (only 0 and 1) stay as they are, and so do smooth ones
    (``near_...``): most jets are far from any one place, and a range taken from those would blow up the near ones.

    Parameters
    ----------
    collection : str
        ``jet``, ``charged``, ``neutral`` or ``sv``: selects `DEFAULT_TRANSFORMS`.
    features : sequence of str
        Names of the columns.
    sample : float array, shape (N, F)
        Rows of the training set; finite. With no rows the result is neutral.
    transforms : mapping of str to Transform, optional
        In place of the defaults for the features that it names.

    Raises
    ------
    InputError
        If a name in ``transforms`` is no feature, the shape is wrong, or a value is not finite.
    """
    chosen = dict(transforms or {})
    if unknown := sorted(set(chosen) - set(features)):
        raise InputError(f"transforms name {unknown}, which are no {collection} features; known: {', '.join(features)}")
    if sample.ndim != 2 or sample.shape[1] != len(features):
        raise InputError(f"{collection}: expected a sample of shape (N, {len(features)}), got {sample.shape}")
    shift, scale, used = [], [], []
    for i, name in enumerate(features):
        transform = chosen.get(name, default_transform(collection, name))
        values = transform(sample[:, i])
        if not np.isfinite(values).all():
            raise InputError(f"{collection} feature {name!r} has NaN or infinite values: mend the sample")
        smooth = name in CATALOGUE[collection] and CATALOGUE[collection][name].kernel == "near"
        centre, width = (0.0, 1.0) if smooth else _centre_and_width(values)
        shift.append(centre)
        scale.append(width)
        used.append(transform)
    return Standardisation(features=tuple(features), transforms=tuple(used), shift=tuple(shift), scale=tuple(scale))


def _centre_and_width(values: NDArray[np.float64]) -> tuple[float, float]:
    if len(values) == 0 or np.isin(values, (0.0, 1.0)).all():
        return 0.0, 1.0
    low, centre, high = np.percentile(values, (25.0, 50.0, 75.0))
    width = (high - low) / 1.349
    if width <= 1e-6 * max(1.0, abs(centre)):
        centre, width = values.mean(), values.std()
    if width <= 1e-6 * max(1.0, abs(centre)):
        width = 1.0
    return float(centre), float(width)
