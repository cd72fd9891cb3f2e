"""Signed model folders: who wrote a model, by a key pair of one's own, in the format of OpenSSF model signing.

``model.sig`` lies in the folder and covers every other file of it. The library model-signing writes and verifies it;
nothing is sent anywhere.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coffea_mljec.errors import InputError, MLJECError, ModelError
from coffea_mljec.support.atomic import write_bytes
from coffea_mljec.support.digest import digest
from coffea_mljec.support.paths import checked_path

__all__ = ["SIGNATURE", "check_signature", "sign_folder"]

SIGNATURE = "model.sig"
_LARGEST = 1 << 20
"""Bytes of a signature or a key."""

StrPath = str | os.PathLike[str]


def sign_folder(folder: StrPath, private_key: StrPath, password: str | None = None) -> Path:
    """Sign all files of a model folder; a signature that is there is replaced.

    Parameters
    ----------
    folder : path
        Of a model. It is opened first: only a sound one is signed.
    private_key : path
        A PEM file with an elliptic curve key (P-256, P-384 or P-521).
    password : str, optional
        Of the private key.

    Returns
    -------
    Path
        The signature.

    Raises
    ------
    InputError
        If the key cannot be used, or the signature not be written.
    ModelError
        If the folder is no sound model folder.
    """
    from coffea_mljec.models.folder import open_folder

    path, key = checked_path(folder, "a model folder"), _key(private_key, "private")
    open_folder(path)
    signing, hashing = _library("signing"), _library("hashing")
    hashed = hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    try:
        config = signing.Config().use_elliptic_key_signer(
            private_key=key, password=None if password is None else password.encode()
        )
    except Exception as error:  # of cryptography: what is no key, another kind of key, a wrong or a missing password
        raise InputError(
            f"{key} cannot sign ({error}): give a PEM file with an elliptic curve key (P-256), and its password if it "
            "has one."
        ) from None
    target = path / SIGNATURE
    # The library writes by name; the file is put into its place whole.
    with tempfile.TemporaryDirectory() as here:
        written = Path(here) / SIGNATURE
        try:
            config.set_hashing_config(hashed).sign(path, written)
        except Exception as error:  # links and odd files in the folder
            raise InputError(f"{path} cannot be signed: {error}") from None
        write_bytes(target, written.read_bytes())
    return target


def check_signature(folder: StrPath, public_key: StrPath, files: Mapping[str, bytes]) -> None:
    """Check that a folder was signed with the private key of this public key, and that these bytes are its files.

    Parameters
    ----------
    folder : path
    public_key : path
        A PEM file.
    files : mapping of str to bytes
        Name -> what was read. The signature has to cover these bytes, whatever became of the files since.

    Raises
    ------
    InputError
        If the public key cannot be read.
    ModelError
        If there is no signature, it is of another key, or a file was added, removed or changed.
    """
    path, key = checked_path(folder, "a model folder"), _key(public_key, "public")
    signature = path / SIGNATURE
    if not signature.is_file() or signature.stat().st_size > _LARGEST:
        raise ModelError(
            f"{path} is not signed, and only what the owner of {key} signed is allowed: get a signed folder, or have "
            "its author sign it (mljec sign FOLDER --key PRIVATE)."
        )
    verifying, hashing = _library("verifying"), _library("hashing")
    hashed = hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    try:
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(hashed)
    except Exception as error:  # of cryptography: what is no key, or another kind of key
        raise InputError(f"{key} is no public key of an elliptic curve in PEM: {error}") from None
    try:
        before = signature.read_bytes()
        verifier.verify(path, signature)
        covered = _covered(before) if signature.read_bytes() == before else {}
    except MLJECError:
        raise
    except Exception as error:  # of cryptography, of JSON, and ValueError for files that differ
        # Which files differ, without both digests of each.
        text = re.sub(r": Expected 'Digest\(.*?\)', Actual 'Digest\(.*?\)'", "", str(error)).rstrip(". ")
        raise ModelError(
            f"{path} is not what the owner of {key} signed: {text or type(error).__name__}. Get the folder again "
            "from who signed it."
        ) from None
    wrong = [name for name, content in files.items() if covered.get(name) != digest(content)]
    if wrong:
        raise ModelError(f"{', '.join(wrong)} of {path} was changed while the folder was read: open it again.")


def _covered(signature: bytes) -> dict[str, str]:
    """Name -> sha256 of the files that a verified signature lists."""
    payload = json.loads(base64.b64decode(json.loads(signature)["dsseEnvelope"]["payload"]))["predicate"]
    return {item["name"]: item["digest"] for item in payload["resources"] if item["algorithm"] == "sha256"}


def _key(given: StrPath, kind: str) -> Path:
    path = checked_path(given, f"a file with the {kind} key")
    if not path.is_file() or path.stat().st_size > _LARGEST:
        raise InputError(f"no {kind} key at {path}: give a PEM file.")
    return path


def _library(part: str) -> Any:
    try:
        return importlib.import_module(f"model_signing.{part}")
    except ImportError:
        raise InputError("signatures need model-signing: pip install 'coffea-mljec[sign]'.") from None
