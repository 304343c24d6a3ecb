"""Keys: Ed25519, written as user nkeys of NATS (docs/protocol.md §1), and key files as ``dex keys new`` makes them."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path

from nacl.exceptions import BadSignatureError, CryptoError
from nacl.signing import SigningKey as _SigningKey
from nacl.signing import VerifyKey

from .encoding import from_base64url, to_base64url
from .errors import KeyFault

_USER = 20 << 3
_SEED = bytes([18 << 3 | _USER >> 5, (_USER & 31) << 3])
_FILE_BYTES_MAX = 4096


def _encode(body: bytes) -> str:
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(2, "little")).rstrip(b"=").decode()


def _decode(text: str, length: int) -> bytes | None:
    """The bytes before the checksum, when it is good and the text is the one spelling of them."""
    try:
        body = base64.b32decode(text + "=" * (-len(text) % 8))[:-2]
    except (binascii.Error, ValueError):
        return None
    return body if len(body) == length and _encode(body) == text else None


def public_key_text(raw: bytes) -> str:
    """A public key's text: 56 characters that begin with ``U``."""
    if len(raw) != 32:
        raise KeyFault("an Ed25519 public key has 32 bytes")
    return _encode(bytes([_USER]) + raw)


def public_key_bytes(text: str) -> bytes:
    """The 32 bytes of a public key's text. Raises :class:`KeyFault` when it is none."""
    raw = _decode(text, 33)
    if raw is None or raw[0] != _USER:
        raise KeyFault("a public key is a user nkey: 56 characters that begin with U, with a good checksum")
    return raw[1:]


def verify(public_key: str, signature: str, text: bytes) -> bool:
    """Whether this is the key's signature over the text.

    libsodium is stricter than the exchange's own rules (ZIP-215): it also refuses keys of small order and points in other
    than their canonical form, which no exchange signs with. What it takes, the exchange takes too.
    """
    key = public_key_bytes(public_key)
    try:
        raw = from_base64url(signature)
    except ValueError:
        return False
    return verify_raw(key, raw, text)


def verify_raw(public_key: bytes, signature: bytes, text: bytes) -> bool:
    """As :func:`verify`, of raw bytes."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    try:
        VerifyKey(public_key).verify(text, signature)
    except (BadSignatureError, CryptoError):
        return False
    return True


class SigningKey:
    """A party's signing key. Its seed is shown by :meth:`seed_text` alone."""

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        """The key of a 32-byte Ed25519 seed (RFC 8032 private key)."""
        if len(seed) != 32:
            raise KeyFault("an Ed25519 seed has 32 bytes")
        self._key = _SigningKey(seed)
        self.public_key: str = public_key_text(bytes(self._key.verify_key))
        """The public key's text (``U…``)."""

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's random source."""
        return cls(os.urandom(32))

    @classmethod
    def from_text(cls, text: str) -> SigningKey:
        """The key in a text as ``dex keys new`` writes it: the first line that is a user nkey's seed (``SU…``).

        Comments may stand around it. Raises :class:`KeyFault` when there is none.
        """
        for line in text.splitlines():
            raw = _decode(line.strip(), 34)
            if raw is not None and raw[:2] == _SEED:
                return cls(raw[2:])
        raise KeyFault("no line is a user nkey's seed (58 characters that begin with SU, with a good checksum)")

    def seed_text(self) -> str:
        """The seed as text (``SU…``), for its owner's file. Keep it secret."""
        return _encode(_SEED + bytes(self._key))

    def sign(self, text: bytes) -> str:
        """The signature over these bytes: plain Ed25519 (RFC 8032), as unpadded base64url."""
        return to_base64url(self._key.sign(text).signature)

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not pickled")


def load_key(path: str | os.PathLike[str]) -> SigningKey:
    """Reads a key from its file. Raises :class:`KeyFault` when others can read the file, or it holds no seed."""
    file = Path(path)
    found = file.stat()
    mode = stat.S_IMODE(found.st_mode)
    if os.name == "posix" and mode & 0o077:
        raise KeyFault(f"key file {file} can be read by others (mode {mode:03o}); run: chmod 600 {file}")
    if found.st_size > _FILE_BYTES_MAX:
        raise KeyFault(f"key file {file} has more than {_FILE_BYTES_MAX} bytes")
    try:
        return SigningKey.from_text(file.read_text(encoding="utf-8"))
    except KeyFault as fault:
        raise KeyFault(f"key file {file}: {fault}") from None


def store_key(path: str | os.PathLike[str], key: SigningKey) -> None:
    """Writes a key's seed to a new file that only its owner can read.

    Raises :class:`FileExistsError` when the file is there: a key is never written over.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.seed_text() + "\n")
        file.flush()
        os.fsync(file.fileno())
