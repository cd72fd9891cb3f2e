"""Parts of a report as a measurement gives them: figures with captions, sections with words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coffea_mljec.validation.common.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "Picture", "Section"]


@dataclass(frozen=True)
class Drawing:
    """A figure of a measurement.

    Attributes
    ----------
    name : str
        Of its file.
    section : str
        Anchor of the section that shows it.
    caption : str
        Below it, one or two sentences.
    figure : Figure
        To be saved while the style is in force: matplotlib reads some of it only while it renders.
    wide : bool
        Takes the whole width of the page.
    """

    name: str
    section: str
    caption: str
    figure: Figure
    wide: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, with its caption; a wide one takes the whole width of the page."""

    name: str
    png: bytes
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: a few words, then figures, then tables; `last` ones stand at its end."""

    anchor: str
    title: str
    words: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    last: bool = False
