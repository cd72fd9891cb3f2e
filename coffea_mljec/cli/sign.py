"""``mljec sign``: say that a model is yours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coffea_mljec.cli.options import ModelFolder
from coffea_mljec.cli.terminal import out

__all__ = ["sign"]


def sign(
    folder: ModelFolder,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key: an elliptic curve, PEM.")],
    password: Annotated[bool, typer.Option("--password", help="Ask for the password of the key.")] = False,
) -> None:
    """Sign a model folder with your private key, so that others can tell that it is yours.

    The signature, model.sig, is in the format of OpenSSF model signing, and covers all other files of the folder. It
    needs coffea-mljec\\[sign]. A key is made by: openssl ecparam -name prime256v1 -genkey -noout -out private.pem

    [bold]Example[/]

    mljec sign my-model --key private.pem
    """
    from coffea_mljec.models import sign_folder

    secret = typer.prompt("password", hide_input=True) if password else None
    out.print(f"signed: {sign_folder(folder, key, secret)}", soft_wrap=True)
