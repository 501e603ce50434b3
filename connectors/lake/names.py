"""What the objects of every lake are called, and how a manifest is read back."""

from __future__ import annotations

import secrets

from connectors.batch import Manifest
from connectors.errors import UnreadableFile

MANIFEST = "manifest.json"


def with_nonce(name: str) -> str:
    """`rows-00000.csv.gz` → `rows-00000-1f2e3d4c.csv.gz`: no two attempts write the same object."""
    stem, dot, suffixes = name.partition(".")
    return f"{stem}-{secrets.token_hex(4)}{dot}{suffixes}"


def read_manifest(text: str, where: str) -> Manifest:
    """The manifest found at `where`. Raises UnreadableFile."""
    try:
        return Manifest.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(
            f"{where} is not a manifest ({type(error).__name__}: {error})",
            remedy="Remove the batch's folder and run again: it is extracted anew.",
        ) from error


__all__ = ["MANIFEST", "read_manifest", "with_nonce"]
