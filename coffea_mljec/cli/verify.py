"""``mljec verify``: whether a model is whose it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coffea_mljec.cli.options import ModelFolder
from coffea_mljec.cli.terminal import out

__all__ = ["verify"]


def verify(
    folder: ModelFolder,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Public key of who signed it, PEM.")],
) -> None:
    """Say whether a model folder is sound, and unchanged since the owner of a key signed it.

    [bold]Example[/]

    mljec verify my-model --key public.pem
    """
    from coffea_mljec.models import open_folder

    card = open_folder(folder, key).card
    out.print(f"{card.name} in {folder} is as the owner of {key} signed it", soft_wrap=True)
