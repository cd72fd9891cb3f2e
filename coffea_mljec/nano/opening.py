"""NanoAOD files as this package opens them: checked first, with errors that say what is wrong with the file."""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from coffea_mljec.errors import DamagedFileError, InputError, MissingBranchError, WorkerError
from coffea_mljec.nano.identity import footer_uuid, unchanged

__all__ = ["IDENTITY", "NanoFile", "open_nano", "quiet_coffea", "reading"]

IDENTITY = ("run", "luminosityBlock", "event")
"""The branches that tell one event from all others."""

RNTUPLE = "ROOT::RNTuple"
PARQUET = "Parquet"
PARQUET_NAMES = (".parquet", ".parq")
"""How the names of Parquet files end."""

_HARMLESS = ("Missing cross-reference", "Found duplicate branch", r"Branch Photon_(mass|charge) already exists")


def quiet_coffea() -> None:
    """Silence, by message, what coffea says about every small or older file: links without a target, a branch twice."""
    for message in _HARMLESS:
        warnings.filterwarnings("ignore", message)


@dataclass(frozen=True)
class NanoFile:
    """An open NanoAOD file.

    Attributes
    ----------
    path : str
    treename : str
        Empty for Parquet.
    entries : int
        Number of events.
    branches : tuple of str
    directory : uproot directory or pyarrow.parquet.ParquetFile
        The open file.
    kind : str
        ``"TTree"``, ``"ROOT::RNTuple"`` or ``"Parquet"``.
    """

    path: str
    treename: str
    entries: int
    branches: tuple[str, ...]
    directory: Any
    kind: str = "TTree"

    @property
    def uuid(self) -> str:
        """What identifies the file: ROOT's UUID, or a digest of Parquet's footer."""
        return footer_uuid(self.directory) if self.kind == PARQUET else str(self.directory.file.uuid)

    def events(self, start: int = 0, stop: int | None = None, mode: str = "virtual", **options: Any) -> Any:
        """NanoEvents of the entries ``start:stop``, with PFNanoAODSchema (which reads any NanoAOD file).

        Parameters
        ----------
        start, stop : int
            In dask mode all entries are taken.
        mode : {"virtual", "eager", "dask"}
        **options
            Passed on to coffea's ``from_root`` or ``from_parquet``, such as ``access_log=[]``.

        Raises
        ------
        InputError
            For dask mode on RNTuple or Parquet, which coffea 2026.9 cannot read so; as DamagedFileError if a branch is
        damaged.
        """
        from coffea.nanoevents import NanoEventsFactory, PFNanoAODSchema

        schema = PFNanoAODSchema
        if mode != "virtual":
            # coffea nests candidates by nConstituents, which fails on files that keep a part of them; only virtual mode
            # leaves alone what nobody asks for.
            schema = type("PFNanoAODSchema", (PFNanoAODSchema,), {"nested_index_items": {}})
        common: dict[str, Any] = {"schemaclass": schema, "mode": mode, **options}
        if mode == "dask":
            if self.kind != "TTree":
                raise InputError(
                    f"{self.path} is {self.kind}, which coffea does not read in dask mode: use mode='virtual' (with "
                    "coffea's Runner and its dask executor the work is spread all the same), or a TTree."
                )
            return NanoEventsFactory.from_root({self.path: self.treename}, **common).events()
        common |= {"entry_start": start, "entry_stop": self.entries if stop is None else stop}
        if self.kind == PARQUET:
            return NanoEventsFactory.from_parquet(self.path, **common).events()
        with reading(self.path):  # what describes a branch may be damaged, and nobody has looked at it yet
            return NanoEventsFactory.from_root(self.directory, treepath=self.treename, **common).events()


@contextmanager
def open_nano(path: str | os.PathLike[str], treename: str = "Events") -> Iterator[NanoFile]:
    """Open a NanoAOD file for reading.

    Parameters
    ----------
    path : str or path
        ROOT: a local file, or whatever uproot opens (``root://...``). Parquet: a local file named ``*.parquet``.
    treename : str
        Of a TTree or RNTuple; Parquet has none.

    Yields
    ------
    NanoFile

    Raises
    ------
    InputError
        If there is no such file, it is no readable ROOT or Parquet file, or it has no such tree; as DamagedFileError
        at the end of the block, if a local file was written to meanwhile.
    MissingBranchError
        If the tree lacks the branches that identify an event: it is not NanoAOD.
    WorkerError
        If opening it takes a package that is not installed (root://, s3://); the message says which.
    """
    name = os.fspath(path)
    with unchanged(name), _open_parquet(name) if name.endswith(PARQUET_NAMES) else _open_root(name, treename) as nano:
        yield nano


@contextmanager
def _open_root(name: str, treename: str) -> Iterator[NanoFile]:
    import uproot

    with _readable(name, "ROOT"):
        # An opened mapping, because a colon in a plain string would be read as the start of a tree's name.
        directory = uproot.open({name: None})
    try:
        _check_whole(name, directory)
        trees = {key: kind for key, kind in directory.classnames(cycle=False).items() if kind in ("TTree", RNTUPLE)}
        if treename not in trees:
            raise InputError(
                f"{name} has no tree {treename!r}: it has {', '.join(trees) or 'no tree at all'}; name another with "
                "--tree."
            )
        with _readable(name, "ROOT"):
            tree = directory[treename]
        branches = tuple(tree.keys())
        _check_identity(f"{name} is not a NanoAOD file: its tree {treename!r}", branches)
        yield NanoFile(name, treename, int(tree.num_entries), branches, directory, trees[treename])
    finally:
        directory.close()


@contextmanager
def _open_parquet(name: str) -> Iterator[NanoFile]:
    from pyarrow.parquet import ParquetFile

    with _readable(name, PARQUET):
        file = ParquetFile(name)
    try:
        branches = tuple(file.schema_arrow.names)
        _check_identity(f"{name} has not the columns of NanoAOD (run, Jet_pt, ..., one a branch): it", branches)
        yield NanoFile(name, "", int(file.metadata.num_rows), branches, file, PARQUET)
    finally:
        file.close()


def _check_identity(what: str, branches: tuple[str, ...]) -> None:
    lacking = [branch for branch in IDENTITY if branch not in branches]
    if lacking:
        raise MissingBranchError(
            f"{what} has no branch {', '.join(lacking)} (it has {', '.join(branches[:6]) or 'no branches'}, ...)."
        )


def _check_whole(name: str, directory: Any) -> None:
    """uproot reads the head of a cut file without complaint, and fails later, on a worker."""
    if os.path.isfile(name) and os.path.getsize(name) < directory.file.fEND:
        raise DamagedFileError(
            f"{name} cannot be read as a ROOT file: it has {os.path.getsize(name)} of {directory.file.fEND} bytes. It "
            "is cut short; fetch it again."
        )


@contextmanager
def _readable(name: str, kind: str) -> Iterator[None]:
    """Turn what uproot or pyarrow raise on a missing, empty, foreign or cut file into one InputError."""
    import uproot.deserialization

    try:
        yield
    except FileNotFoundError:
        raise DamagedFileError(f"no such file: {name}") from None
    except ImportError as error:
        raise WorkerError(f"{name} cannot be opened here, for want of a plug-in: {_first_line(error)}") from None
    except (OSError, ValueError, uproot.deserialization.DeserializationError) as error:
        raise DamagedFileError(
            f"{name} cannot be read as a {kind} file: {_first_line(error)}. It is empty, cut short or no {kind} file; "
            "fetch it again."
        ) from None


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what uproot, zlib or cramjam raise on a column that is damaged into one error: a file's head may be whole,
    and no more.

    Raises
    ------
    DamagedFileError
        If a column cannot be read.
    """
    import cramjam
    import uproot.deserialization

    of_uproot = (uproot.deserialization.DeserializationError, uproot.KeyInFileError)
    try:
        yield
    except (OSError, *of_uproot, zlib.error, cramjam.DecompressionError) as error:
        raise DamagedFileError(
            f"{name} is damaged: a column of it cannot be read ({_first_line(error)}). Fetch it again."
        ) from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
