"""JEC payloads: text files and correctionlib files, read into one kind of object that evaluates flat columns."""

from coffea_mljec.corrections.payloads.correctionlib_json import read_json
from coffea_mljec.corrections.payloads.payload import Payload
from coffea_mljec.corrections.payloads.text import read_text

__all__ = ["Payload", "read_json", "read_text"]
