"""``mljec sign``, ``mljec verify`` and ``--public-key``."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_commands(mljec, nano, model_folder, tmp_path):
    pytest.importorskip("model_signing.signing", reason="signatures: pip install 'coffea-mljec[sign]'")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private, public = ec.generate_private_key(ec.SECP256R1()), tmp_path / "public.pem"
    pem = serialization.Encoding.PEM
    (tmp_path / "private.pem").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    apply = ("apply", nano, "-o", tmp_path / "out", "--model", model_folder, "--public-key", public)
    assert mljec("verify", model_folder, "--key", public)[0] == mljec(*apply)[0] == 2
    assert mljec("sign", model_folder, "--key", tmp_path / "private.pem")[0] == 0
    status, printed, _ = mljec("verify", model_folder, "--key", public)
    assert status == 0
    assert f"toy in {model_folder} is as the owner of {public} signed it" in printed
    assert mljec(*apply)[0] == 0
    # The library's own program agrees.
    signature = ("--signature", str(model_folder / "model.sig"), "--public_key", str(public))
    subprocess.run([sys.executable, "-m", "model_signing", "verify", "key", *signature, str(model_folder)], check=True)
    with (model_folder / "card.json").open("a") as file:
        file.write("\n")
    status, _, said = mljec("verify", model_folder, "--key", public)
    assert status == 2
    assert "is not what the owner" in said


def test_unsigned(mljec, nano, jec_text, model_folder, tmp_path):
    (tmp_path / "public.pem").write_text("no key is needed to see that there is no signature")
    for command in (
        ("verify", model_folder, "--key", tmp_path / "public.pem"),
        ("apply", nano, "-o", tmp_path / "out", "--model", model_folder, "--public-key", tmp_path / "public.pem"),
        ("validate", nano, "-o", tmp_path / "out", "--model", model_folder, "--public-key", tmp_path / "public.pem"),
    ):
        status, _, said = mljec(*command)
        assert status == 2
        assert "is not signed" in said
    assert not (tmp_path / "out").exists()
