"""Bytes and their texts, strictly: one text for the same bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over these bytes, one after the other."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return hasher.digest()


def digest_of(body: bytes) -> str:
    """SHA-256 as the protocol writes it: 64 lower-case hex digits."""
    return hashlib.sha256(body).hexdigest()


def from_hex(text: str) -> bytes:
    """Bytes of lower-case hex digits; raises :class:`ValueError` for anything else."""
    if not re.fullmatch(r"([0-9a-f]{2})*", text):
        raise ValueError("is not lower-case hex")
    return bytes.fromhex(text)


def to_base64url(raw: bytes) -> str:
    """Unpadded base64url, as signatures are written."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Bytes of unpadded base64url; raises :class:`ValueError` for anything else."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise ValueError("is not unpadded base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(raw) != text:
        raise ValueError("is not the one spelling of its bytes")
    return raw


def from_base64(text: str) -> bytes:
    """Bytes of padded standard base64; raises :class:`ValueError` for anything else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if base64.b64encode(raw).decode() != text:
        raise ValueError("is not the one spelling of its bytes")
    return raw
