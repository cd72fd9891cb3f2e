"""The pages that people read, and what is in them: fenced blocks, links, sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]

_BLOCK = re.compile(r"^(`{3,})(\w+)[^\n]*\n(.*?)^\1[ ]*$", flags=re.M | re.S)
_ANY_BLOCK = re.compile(r"^(`{3,}|:{3,}).*?^\1[ ]*$", flags=re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and first line, and what the next block says that it prints."""

    language: str
    text: str
    line: int
    output: str | None = None


def name_of(page: Path) -> str:
    """The page's path below the repository's root."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(text: str) -> list[Block]:
    """All fenced blocks of a page; a ``text`` block right after another one is what that prints."""
    found = list(_BLOCK.finditer(text))
    blocks = []
    for match, following in zip(found, [*found[1:], None], strict=True):
        output = None
        if following is not None and following[2] == "text" and not text[match.end() : following.start()].strip():
            output = following[3]
        blocks.append(Block(match[2], match[3], text[: match.start(3)].count("\n") + 1, output))
    return blocks


def links_of(text: str) -> list[str]:
    """Targets of links and pictures, without those of whole addresses."""
    prose = _BLOCK.sub("", text)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r"^`{3,}\{(?:image|figure)\} (\S+)$", text, flags=re.M)
    return [target for target in targets if not re.match(r"https?://|mailto:|#", target)]


def sentences_of(text: str) -> list[str]:
    """The sentences of the prose: no blocks, tables, headings; an entry of a list ends a sentence."""
    prose = re.sub(r"^\|.*$|^#.*$|^[-*] ", "\n\n", _ANY_BLOCK.sub("", text), flags=re.M)
    prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", prose)
    parts = [part for paragraph in prose.split("\n\n") for part in re.split(r"(?<=[.!?:])\s+(?=\S)", paragraph)]
    return [part for part in (" ".join(part.split()) for part in parts) if re.search(r"\w", part)]
