"""The best bundled network that a file can feed: the correction of an `MLJEC` of which no network was named."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from coffea_mljec import defaults, models
from coffea_mljec.corrections.correction import Correction, Factors
from coffea_mljec.corrections.network import MissingBranchWarning, NetworkCorrection
from coffea_mljec.errors import InputError, MissingBranchError
from coffea_mljec.nano import Branch, JetChunk, Layout
from coffea_mljec.nano.first_file import FirstFile, first_file
from coffea_mljec.payloads.suitability import Made, is_for

__all__ = ["BestNetwork", "ranked_models"]

logger = logging.getLogger(__name__)

_said: set[str] = set()


def ranked_models(public_key: Any = None) -> list[models.ModelFolder]:
    """The models of `coffea_mljec.defaults.NETWORKS`, open; with a public key, as `open_model` does."""
    if public_key is not None:
        return [models.open_model(name, public_key) for name in defaults.NETWORKS]
    return [_opened(name) for name in defaults.NETWORKS]


@cache
def _opened(name: str) -> models.ModelFolder:
    return models.open_model(name)


class BestNetwork(Correction):
    """A network chosen by the columns of a file, and by them alone, so that all its chunks get the same one.

    The files of a data set must get the same one too. Where one of them is known to be the first
    (`coffea_mljec.nano.first_file`), it decides. Elsewhere each file decides for itself, and one that disagrees with
    those before it is refused: this is all that is remembered of events, and it does not travel.

    Parameters
    ----------
    networks : sequence of NetworkCorrection
        The best first.
    dispensable : bool
        Whether files that can feed none are left to a fallback, instead of being an error.
    """

    def __init__(self, networks: Sequence[NetworkCorrection], *, dispensable: bool) -> None:
        self.networks = tuple(networks)
        self.dispensable = dispensable
        self._chosen: dict[Any, NetworkCorrection] = {}
        self._used: dict[tuple[str | None, str], tuple[NetworkCorrection, str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_chosen": {}, "_used": {}}

    @property
    def summary(self) -> str:
        """The networks among which it chooses."""
        return f"the first that the file can feed of {', '.join(network.card.name for network in self.networks)}"

    @property
    def asker(self) -> str:
        """What messages call it."""
        return "the best bundled network"

    @property
    def algorithm(self) -> str | None:
        """The jets that all its networks are for; None where the file decides."""
        algorithms = {network.algorithm for network in self.networks}
        return algorithms.pop() if len(algorithms) == 1 else None

    @property
    def payloads(self) -> tuple[Made, ...]:
        """None."""
        return ()

    def measured_on_own_jets(self, made: Made) -> bool:
        """Whether a payload was measured on jets of every network."""
        return all(network.measured_on_own_jets(made) for network in self.networks)

    def check(self, layout: Layout) -> None:
        """As of the network that is chosen."""
        self.decided(layout).check(layout)

    def branches(self, layout: Layout) -> Iterable[Branch]:
        """Those of the network that is chosen."""
        return self.decided(layout).branches(layout)

    def extra_fields(self, layout: Layout) -> tuple[str, ...]:
        """Those of the network that is chosen."""
        return self.decided(layout).extra_fields(layout)

    def factor(self, chunk: JetChunk) -> Factors:
        """As of the network that is chosen; raises InputError where a file before it got another one."""
        network = self.decided(chunk.layout)
        if first_file() is None:
            self._compare(chunk, network)
        return network.factor(chunk)

    def decided(self, layout: Layout) -> NetworkCorrection:
        """The network that these jets get.

        Raises
        ------
        InputError
            If no network is for these jets.
        MissingBranchError
            If the file can feed none, or not the one that the first file of its data set chose.
        """
        first = first_file()
        deciding = None if first is None else first.layout(layout.collection)
        if first is None or deciding is None:
            return self._choice(layout)
        network = self._choice(deciding)
        if first.fields != layout.fields:
            self._check_agrees(network, layout, first)
        return network

    def _choice(self, layout: Layout) -> NetworkCorrection:
        """By the columns of a file; found once."""
        key = (layout.collection, tuple(layout.fields.items()))
        if key not in self._chosen:
            self._chosen[key] = self._choose(layout)
        return self._chosen[key]

    def _choose(self, layout: Layout) -> NetworkCorrection:
        suited = [network for network in self.networks if _suits(network, layout)]
        if not suited:
            known = ", ".join(f"{network.card.name} ({network.algorithm})" for network in self.networks)
            raise InputError(
                f"no bundled network is for the jets of {layout.collection} of this file: there are {known}. Name a "
                f"network that was trained for these jets, MLJEC(folder). {layout.alternatives()}"
            )
        errors: dict[str, MissingBranchError] = {}
        for network in suited:
            try:
                network.network.branches(layout)
            except MissingBranchError as error:
                errors[network.card.name] = error
                continue
            _say(network, layout, suited[: len(errors)])
            return network
        nearest = min(suited, key=lambda network: len(network.network.lacking(layout)))
        if self.dispensable:
            return nearest
        raise MissingBranchError(
            f"no bundled network can be fed by the {layout.collection} of this file. What lacks least: "
            f"{errors[nearest.card.name]}"
        )

    def _check_agrees(self, network: NetworkCorrection, layout: Layout, first: FirstFile) -> None:
        """Refuse a file that cannot feed what the first file of its data set chose."""
        said = f"All files of a data set get one network, and {first.name}, its first, chose {network.card.name!r}. "
        if not _suits(network, layout):
            raise InputError(
                f"{said}It is for {network.algorithm}, and the {layout.collection} of this file are other jets: give "
                "them a data set of their own."
            )
        try:
            network.branches(layout)
        except MissingBranchError as error:
            raise MissingBranchError(f"{said}This file cannot feed it: {error} {self._remedy(layout)}") from None

    def _compare(self, chunk: JetChunk, network: NetworkCorrection) -> None:
        """Refuse a file that gets another network than one before it, of the same data set."""
        metadata = getattr(chunk.events, "metadata", None)
        dataset = metadata.get("dataset") if isinstance(metadata, dict) else None
        where = next(iter(chunk.source.places), "an array without a file")
        before, place = self._used.setdefault((dataset, chunk.layout.collection), (network, where))
        if before is not network:
            raise InputError(
                f"all files of a data set get one network, and {place} got {before.card.name!r} where {where} would "
                f"get {network.card.name!r}. {self._remedy(chunk.layout, before)}"
            )

    def _remedy(self, layout: Layout, *others: NetworkCorrection) -> str:
        """What runs on all of them: the last in rank that this file and those before chose."""
        chosen = [network for network in (*others, self._alone(layout)) if network is not None]
        if not chosen:
            return ""
        last = max(chosen, key=self.networks.index)
        return (
            f"Name one that all of them can feed, MLJEC({last.card.name!r}), or give each kind of file a data set and "
            "an MLJEC() of its own."
        )

    def _alone(self, layout: Layout) -> NetworkCorrection | None:
        """What the file would get by itself."""
        try:
            return self._choice(layout)
        except (InputError, MissingBranchError):
            return None


def _suits(network: NetworkCorrection, layout: Layout) -> bool:
    return layout.collection in network.card.collections and is_for(network.algorithm, layout)


def _say(network: NetworkCorrection, layout: Layout, passed: Sequence[NetworkCorrection]) -> None:
    """Say once which network is taken: in the log; as a warning where a better one lacks something."""
    text = f"MLJEC() takes {network.card.name!r} for {layout.collection}"
    if passed:
        lacks = passed[0].network.lacking(layout)
        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        text += f": {passed[0].card.name!r} needs {', '.join(lacks[:3])}{more}, which the file lacks"
    if text in _said:
        return
    _said.add(text)
    if passed:
        warnings.warn(text, MissingBranchWarning, stacklevel=2)
    else:
        logger.info(text)
