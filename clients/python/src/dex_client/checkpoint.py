"""Checkpoints: C2SP tlog-checkpoint in a C2SP signed note, with an Ed25519 key."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from .encoding import from_base64, sha256
from .errors import ProofError
from .keys import public_key_bytes, verify_raw

_ED25519 = b"\1"


@dataclass(frozen=True)
class Checkpoint:
    """The size and root of the tree of one log."""

    origin: str
    """Name of the log: the exchange's origin."""
    size: int
    """Leaves in the tree."""
    root: bytes
    """Root of the tree, 32 bytes."""


def _bytes_of(text: str, what: str) -> bytes:
    try:
        return from_base64(text)
    except ValueError:
        raise ProofError(f"{what} is not base64") from None


class CheckpointVerifier:
    """Verifies checkpoints of one log."""

    def __init__(self, origin: str, raw_key: bytes) -> None:
        """Of the log with this name, signed by this Ed25519 key (32 bytes)."""
        if not re.fullmatch(r"[^\s+]+", origin):
            raise ProofError("the key's name is empty or has white space or '+' in it")
        self.name = origin
        """Name of the key: the origin of the log."""
        self._key = raw_key
        self._hash = sha256(origin.encode(), b"\n", _ED25519, raw_key)[:4]

    @classmethod
    def of(cls, origin: str, public_key: str) -> CheckpointVerifier:
        """The verifier of the exchange with this origin and public key (``U…``): it signs checkpoints with the same key."""
        return cls(origin, public_key_bytes(public_key))

    @classmethod
    def parse(cls, text: str) -> CheckpointVerifier:
        """From a C2SP verifier key, ``<name>+<hash>+<base64>``, as ``health`` names it (``checkpointKey``)."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise ProofError("a verifier key is <name>+<hash>+<base64>")
        raw = _bytes_of(parts[2], "the verifier key")
        if raw[:1] != _ED25519 or len(raw) != 33:
            raise ProofError("the verifier key is no Ed25519 key (type 1)")
        verifier = cls(parts[0], raw[1:])
        if verifier._hash.hex() != parts[1]:
            raise ProofError("the verifier key's hash does not fit its name and key")
        return verifier

    def __str__(self) -> str:
        return f"{self.name}+{self._hash.hex()}+{base64.b64encode(_ED25519 + self._key).decode()}"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note, if this key signed it. Signatures of others (witnesses) are passed over.

        Raises :class:`ProofError` when the note is malformed, of another log, or not rightly signed by this key.
        """
        end = note.rfind("\n\n")
        if end < 0 or not note.endswith("\n"):
            raise ProofError("the checkpoint is no signed note")
        text = note[: end + 1]
        self._check(text, note[end + 2 : -1].split("\n"))
        lines = text.split("\n")
        if len(lines) < 4 or not re.fullmatch(r"0|[1-9][0-9]{0,19}", lines[1]):
            raise ProofError("the note is no checkpoint: origin, size and root, one a line")
        if lines[0] != self.name:
            raise ProofError(f"the checkpoint is of the log {lines[0]}, wanted is {self.name}")
        root = _bytes_of(lines[2], "the checkpoint's root")
        if len(root) != 32:
            raise ProofError("the checkpoint's root has not 32 bytes")
        return Checkpoint(lines[0], int(lines[1]), root)

    def _check(self, text: str, lines: list[str]) -> None:
        for line in lines:
            parts = re.fullmatch(r"— (\S+) (\S+)", line)
            if parts is None:
                raise ProofError("a signature line of the checkpoint is not '— <name> <base64>'")
            blob = _bytes_of(parts[2], "a signature of the checkpoint")
            if parts[1] != self.name or blob[:4] != self._hash:
                continue
            if not verify_raw(self._key, blob[4:], text.encode()):
                raise ProofError("the checkpoint's signature is wrong")
            return
        raise ProofError(f"the checkpoint has no signature by the key {self}")
