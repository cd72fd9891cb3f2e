"""The pages of the reference that are written from the program: nothing in them can be out of date."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import typer
from typer.cli import get_docs_for_click

import coffea_mljec
from coffea_mljec.features import CATALOGUE, FEATURE_SETS
from coffea_mljec.models import bundled
from coffea_mljec.status import Status

__all__ = ["write_pages"]

ROOMS = [
    "defaults", "errors", "status", "numerics", "support", "nano", "features", "models", "payloads", "systematics",
    "corrections", "met", "selection", "eras", "workers", "validation", "report", "cli",
]  # fmt: skip


def write_pages(folder: Path) -> None:
    """Write all of them into the folder of the reference."""
    from coffea_mljec.cli.app import app as mljec
    from training.__main__ import app as training

    pages = {
        "cli.md": command_line(mljec, "mljec", "The command line"),
        "training-cli.md": command_line(training, "python -m training", "The command line of the training"),
        "features.md": features(),
        "models.md": models(),
        "status.md": status(),
    }
    pages |= {f"api/{name}.md": text for name, text in api().items()}
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def command_line(app: typer.Typer, name: str, title: str) -> str:
    """Every command with its options, as ``--help`` has them."""
    command = typer.main.get_command(app)  # of click, which typer may bring along
    text = get_docs_for_click(obj=command, ctx=command.context_class(command, info_name=name), name=name)
    text = text.split("\n", 1)[1]
    text = re.sub(r"\[bold\](.*?)\[/\]", r"**\1**", text).replace("```console", "```text")
    text = re.sub(r"\*\*Examples?\*\*\n((?:\n(?:mljec|python) .*\n)+)", _examples, text)
    return f"# {title}\n{text}"


def _examples(found: re.Match[str]) -> str:
    return "```sh\n" + "\n".join(line for line in found[1].splitlines() if line) + "\n```\n"


def features() -> str:
    """The catalogue, and which of it each feature set takes."""
    lines = [
        "# Features", "",
        "Every named input of a network: what `corrector.feature_names` lists, in the catalogue's order.",
        "The pT of a jet is always raw. {ref}`Formulas <features>` are in the physics definitions.", "",
        "Feature sets: " + ", ".join(f"`{name}`" for name in FEATURE_SETS) + ".", "",
    ]  # fmt: skip
    titles = {
        "jet": "Jet",
        "charged": "Charged candidates",
        "neutral": "Neutral candidates",
        "candidates": "All candidates",
        "sv": "Secondary vertices",
    }
    for collection, entries in CATALOGUE.items():
        lines += [f"## {titles[collection]}", "", "| name | unit | formula | in the sets |", "|---|---|---|---|"]
        for name, feature in entries.items():
            sets = ", ".join(key for key, one in FEATURE_SETS.items() if name in one.names().get(collection, ()))
            formula = feature.formula.replace("|", "\\|")
            lines.append(f"| `{name}` | {feature.unit} | {formula} | {sets} |")
        lines.append("")
    return "\n".join(lines)


def models() -> str:
    """One table of the bundled models, and each one's card."""
    cards = bundled()
    lines = [
        "# Bundled models", "",
        "All are trained on this project's own parametrised simulation of a CMS-like detector.",
        "On anything else they warn once, and every jet's status says so.", "",
        "```sh", "mljec models             # this list", "mljec models pfn-r-lite  # one card, as JSON", "```", "",
        "| model | for | parameters | training jets | beta central, forward / % | alpha central, forward / % |",
        "|---|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, card in cards.items():
        beta = [_percent(card.metrics.get(f"beta_{where}_all")) for where in ("central", "forward")]
        alpha = [_percent(card.metrics.get(f"alpha_{where}")) for where in ("central", "forward")]
        lines.append(
            f"| [`{name}`](#{name}) | {card.algorithm} | {card.parameters:,} | {card.training.n_jets:,} "
            f"| {', '.join(beta)} | {', '.join(alpha)} |"
        )
    lines += ["", "{doc}`../explanation/results` explains and compares these numbers.", ""]
    for name, card in cards.items():
        domain = {
            "raw pT (GeV)": card.domain.pt_raw, "\\|eta\\|": card.domain.abs_eta,
            "rho (GeV)": card.domain.rho, "primary vertices": card.domain.n_pv,
        }  # fmt: skip
        kinds = {kind: names for kind, names in card.feature_set.names().items() if names}
        lines += [
            f"## {name}", "", card.description.rstrip(".") + ".", "",
            "| | |", "|---|---|",
            f"| jets | {card.algorithm}, {', '.join(card.collections)} |",
            f"| engine | `{card.engine}` |",
            *(f"| {what} | {low:g} to {high:g} |" for what, (low, high) in domain.items()),
            f"| trained on | {card.training.sample} |",
            f"| seed | {card.training.seed} |",
            *(f"| {kind} inputs | {', '.join(f'`{one}`' for one in names)} |" for kind, names in kinds.items()),
            f"| licence | {card.licence} |", "",
        ]  # fmt: skip
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def status() -> str:
    """The bits of ``mljec_status``, with what the class says of each."""
    source = Path(importlib.import_module("coffea_mljec.status").__file__ or "").read_text()
    said = dict(re.findall(r'^    ([A-Z_]+) = \d+\n    """(.*?)"""', source, flags=re.M | re.S))
    lines = [
        "# Status bits", "",
        "`mljec_status` says of every jet what was applied, and why. Bits add up.", "",
        "A jet has `APPLIED`, or `FALLBACK`, or neither: then it kept the pT of the file.", "",
        "| bit | name | meaning |", "|---:|---|---|",
    ]  # fmt: skip
    lines += [f"| {bit.value} | `{bit.name}` | {' '.join(said[bit.name or ''].split())} |" for bit in Status]
    lines += [
        "", "```python", "from importlib.resources import files", "", "import coffea_mljec as mljec",
        "from coffea_mljec.nano import open_nano", "",
        'with open_nano(files("coffea_mljec") / "data" / "mljec_sample.root") as nano:',
        "    jets = mljec.apply(nano.events(0, 20))",
        "by_network = mljec.Status.APPLIED.of(jets)  # a mask in the shape of the jets", "```", "",
    ]  # fmt: skip
    return "\n".join(lines)


def api() -> dict[str, str]:
    """One page for the public names, and one for each room of the package and of the training."""
    pages = {"index": _public_names()}
    for package, rooms in (("coffea_mljec", ROOMS), ("training", _rooms_of("training"))):
        for room in rooms:
            pages[f"{package}.{room}"] = _room(f"{package}.{room}")
    toctree = [
        "", "## By package", "",
        "For those who change the code. A package imports only those before it in this list.", "",
        "```{toctree}", ":maxdepth: 1", *(name for name in pages if name != "index"), "```", "",
    ]  # fmt: skip
    pages["index"] += "\n".join(toctree)
    return pages


def _public_names() -> str:
    lines = ["# Python API", "", "What `import coffea_mljec as mljec` gives.", "", "```{eval-rst}"]
    for name in sorted(coffea_mljec.__all__, key=lambda name: (name != "apply", "Warning" in name, name.lower())):
        kind = "autoclass" if isinstance(getattr(coffea_mljec, name), type) else "autofunction"
        lines += [f".. {kind}:: coffea_mljec.{name}"]
        if kind == "autoclass":
            lines += [
                "   :members:",
                "   :inherited-members: ABC, IntFlag, int, UserWarning, Warning, Exception, BaseException, object",
            ]
        lines.append("")
    return "\n".join([*lines, "```", ""])


def _room(name: str) -> str:
    module = importlib.import_module(name)
    first = (module.__doc__ or "").strip().split("\n")[0]
    lines = [f"# {name}", "", first.replace("``", "`"), ""]
    for one in _modules(module):
        lines += [f"## {one.__name__.removeprefix(name + '.')}" if one is not module else "## (package)", ""]
        members = [f"   :exclude-members: {', '.join(public)}"] if (public := _public(one)) else []
        if public:
            links = ", ".join(f"{{py:obj}}`coffea_mljec.{each}`" for each in public)
            lines += [f"Public: {links}, on {{doc}}`index`.", ""]
        lines += ["```{eval-rst}", f".. automodule:: {one.__name__}", "   :members:", *members, "```", ""]
    return "\n".join(lines)


def _public(module: ModuleType) -> list[str]:
    """Public names that this module defines: they stand on the first page."""
    return [name for name in coffea_mljec.__all__ if getattr(coffea_mljec, name).__module__ == module.__name__]


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules below a package (or the module itself), in the order of their names."""
    if not hasattr(package, "__path__"):
        yield package
        return
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if found.name.endswith("__main__") or found.ispkg:
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name != "triton":  # comes with torch for GPUs only; its kernels are left out
                raise


def _rooms_of(package: str) -> list[str]:
    """The packages and modules directly below, by name."""
    where = importlib.import_module(package).__path__
    return sorted(found.name for found in pkgutil.iter_modules(where) if found.name != "__main__")
