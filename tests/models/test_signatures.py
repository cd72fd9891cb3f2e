"""Signed model folders; what needs the library model-signing skips where it is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coffea_mljec import MLJEC, Network
from coffea_mljec.errors import InputError, ModelError
from coffea_mljec.models import open_folder, open_model, sign_folder
from coffea_mljec.models.signatures import SIGNATURE
from tests.models import toy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The toy's folder, with one file more."""
    folder = toy.write(tmp_path / "model")
    (folder / "README").write_text("of the toy\n")
    return folder


@pytest.fixture
def keys(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """``keys("mine")`` makes a pair: private and public key."""
    pytest.importorskip("model_signing.signing", reason="signatures: pip install 'coffea-mljec[sign]'")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def made(name: str, password: bytes | None = None) -> tuple[Path, Path]:
        private = ec.generate_private_key(ec.SECP256R1())
        hidden: Any = serialization.NoEncryption()
        if password is not None:
            hidden = serialization.BestAvailableEncryption(password)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        paths = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        paths[0].write_bytes(private.private_bytes(pem, pkcs8, hidden))
        paths[1].write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
        return paths

    return made


@pytest.fixture
def any_key(tmp_path: Path) -> Path:
    (tmp_path / "any.pub").write_text("none is needed to see that there is no signature")
    return tmp_path / "any.pub"


def test_an_unsigned_folder_is_refused(folder: Path, any_key: Path) -> None:
    """Whether the library is there or not."""
    with pytest.raises(ModelError, match=r"model is not signed, and only what the owner of .*any\.pub signed is"):
        MLJEC(folder, public_key=any_key)
    with pytest.raises(ModelError, match="pfn-r-lite is not signed"):
        MLJEC("pfn-r-lite", public_key=any_key)
    MLJEC(folder)


def test_a_model_that_is_open_has_no_signature(folder: Path, any_key: Path) -> None:
    with pytest.raises(InputError, match="give its folder's path with public_key"):
        MLJEC(open_model(folder), public_key=any_key)


def test_without_the_library(folder: Path, any_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that cannot be checked is no reason to go on."""
    for part in ("signing", "verifying", "hashing"):
        monkeypatch.setitem(sys.modules, f"model_signing.{part}", None)
    (folder / SIGNATURE).write_text("{}")
    for use in (sign_folder, MLJEC):
        with pytest.raises(InputError, match=r"signatures need model-signing: pip install 'coffea-mljec\[sign\]'"):
            use(folder, any_key) if use is sign_folder else MLJEC(folder, public_key=any_key)


def test_no_key_at_all(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no public key at .*nowhere: give a PEM file"):
        MLJEC(folder, public_key=tmp_path / "nowhere")


def test_signed_and_verified(folder: Path, keys: Any) -> None:
    private, public = keys("mine")
    assert sign_folder(folder, private) == folder / SIGNATURE
    assert MLJEC(folder, public_key=public).card.name == "toy"
    assert sign_folder(folder, private) == folder / SIGNATURE  # again: the old signature is not part of the new one
    assert open_folder(folder, public).card.name == "toy"
    assert not list(folder.glob(".*"))


def test_another_key(folder: Path, keys: Any) -> None:
    sign_folder(folder, keys("theirs")[0])
    with pytest.raises(ModelError, match=r"model is not what the owner of .*mine\.pub signed: Key mismatch"):
        MLJEC(folder, public_key=keys("mine")[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "card.json").write_bytes((folder / "card.json").read_bytes() + b"\n"), "card.json"),
        (lambda folder: (folder / "model.onnx").write_bytes(b""), "model.onnx"),
        (lambda folder: (folder / "more").write_text("x"), "Extra files found in model 'model': more"),
        (lambda folder: (folder / "README").unlink(), "Missing files in model 'model': README"),
        (lambda folder: (folder / SIGNATURE).write_text("{}"), "is not what the owner"),
        (lambda folder: (folder / SIGNATURE).write_text("[" * 100_000), "is not what the owner"),
        (lambda folder: (folder / SIGNATURE).write_bytes(b"\xff" * 100), "is not what the owner"),
        (lambda folder: (folder / SIGNATURE).unlink(), "is not signed"),
        (lambda folder: (folder / "link").symlink_to("README"), "is not what the owner"),
    ],
    ids=["card", "graph", "more", "less", "empty", "deep", "bytes", "unsigned", "link"],
)
def test_what_changed_since(folder: Path, keys: Any, change: Callable[[Path], object], message: str) -> None:
    private, public = keys("mine")
    sign_folder(folder, private)
    change(folder)
    with pytest.raises(ModelError, match=message):
        open_model(folder, public)


def test_files_that_change_while_they_are_read(folder: Path, keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that are used are compared, not what is on disk by then."""
    private, public = keys("mine")
    sign_folder(folder, private)
    card, read = folder / "card.json", Path.read_bytes
    other = card.read_bytes().replace(b"for the tests", b"for nobody   ")
    monkeypatch.setattr(Path, "read_bytes", lambda path: other if path == card else read(path))
    with pytest.raises(ModelError, match=r"card\.json of .*model was changed while the folder was read"):
        open_folder(folder, public)


def test_passwords_and_other_keys(folder: Path, keys: Any, tmp_path: Path) -> None:
    private, public = keys("hidden", b"secret")
    for password in (None, "wrong"):
        with pytest.raises(InputError, match=r"hidden\.pem cannot sign \(.*[pP]assword.*\): give a PEM file"):
            sign_folder(folder, private, password)
    sign_folder(folder, private, "secret")
    open_folder(folder, public)
    with pytest.raises(InputError, match=r"hidden\.pub cannot sign"):
        sign_folder(folder, public)
    with pytest.raises(InputError, match=r"hidden\.pem is no public key of an elliptic curve in PEM"):
        open_folder(folder, private)
    (tmp_path / "text").write_text("no key")
    with pytest.raises(InputError, match="text cannot sign"):
        sign_folder(folder, tmp_path / "text")


def test_only_sound_folders_are_signed(folder: Path, keys: Any) -> None:
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="is not the graph that its card describes"):
        sign_folder(folder, keys("mine")[0])
    assert not (folder / SIGNATURE).exists()


def test_networks_too(folder: Path, any_key: Path) -> None:
    with pytest.raises(ModelError, match="model is not signed"):
        Network(folder, public_key=any_key)
    with pytest.raises(InputError, match="give its folder's path with public_key"):
        Network(open_model(folder), public_key=any_key)
