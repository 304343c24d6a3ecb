"""The recipient's side: reads and verifies what the exchange sends (docs/protocol.md §7.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .address import parse_address
from .encoding import digest_of
from .errors import Unverified
from .ids import is_uuid
from .keys import verify
from .signed_text import signed_text_out
from .tree import shared_text

_REMEMBERED = 64
_T = TypeVar("_T")


@dataclass(frozen=True)
class Trust:
    """On whose word messages are taken for the exchange's."""

    origin: str
    """The exchange's origin."""
    keys: Sequence[str] | Literal["broker"]
    """Its keys (``U…``), from a source that is trusted; ``"broker"`` where it runs with ``signatures = "trusted-broker"``."""


@dataclass(frozen=True)
class Received:
    """A verified message of the exchange."""

    id: str
    """``Dex-Id``: apply each once."""
    subject: str
    """The subject on which it came."""
    body: bytes
    """Its body, which is the one that was signed."""
    digest: str
    """SHA-256 of the body, hex, computed here."""
    headers: Mapping[str, str]
    """The ``Dex-*`` headers. All but ``Dex-Digest``, ``Dex-Path`` and ``Dex-Sig`` are under the signature."""

    def field(self, name: str, read: Callable[[str], _T]) -> _T:
        """A header's value, read by ``read``; raises :class:`Unverified` when it is missing or ``read`` fails."""
        value = self.headers.get(name)
        if value is None:
            raise Unverified(self.subject, "header", f"header {name} is missing")
        try:
            return read(value)
        except ValueError as error:
            raise Unverified(self.subject, "header", f"header {name}: {error}") from None

    def address(self, name: str) -> str:
        """An address in a header."""
        return self.field(name, lambda value: (parse_address(value), value)[1])

    def receipt_to(self) -> str:
        """The place for receipts that the message names: nothing else is ever published to on its word."""
        def read(value: str) -> str:
            if not re.fullmatch(r"dex\.v1\.in\.[a-z]+\.[a-z0-9_-]+\.receipt", value):
                raise ValueError("is no place for receipts")
            return value

        return self.field("Dex-Receipt-To", read)

    def json(self) -> Any:
        """The body as JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Unverified(self.subject, "body", f"the body is no JSON: {error}") from None


class Verifier:
    """Verifies what comes from one exchange."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self._good: set[tuple[str, str, bytes]] = set()

    def check(self, subject: str, headers: Mapping[str, str], body: bytes) -> Received:
        """Checks a message, in the order of the protocol: digest, key, signature, sender. Raises :class:`Unverified`.

        nats-py keeps one value of a header that is given twice, so that is not noticed; the signature is over this value.
        """
        mine = {name: value for name, value in headers.items() if name.startswith("Dex-")}

        def header(name: str) -> str:
            if not mine.get(name):
                raise Unverified(subject, "header", f"header {name} is missing or empty")
            return mine[name]

        for name in mine:
            header(name)
        digest = digest_of(body)
        if header("Dex-Digest") != digest:
            raise Unverified(subject, "digest", "the body is not the one that Dex-Digest names")
        origin, keys = self.trust.origin, self.trust.keys
        if keys != "broker":
            key = header("Dex-Key")
            if key not in keys:
                raise Unverified(subject, "key", "it is signed with a key that is not known to be the exchange's")
            self._signature(subject, signed_text_out(origin, subject, mine, digest), key, header("Dex-Sig"), mine.get("Dex-Path"))
        if header("Dex-From") != f"dex:{origin}":
            raise Unverified(subject, "origin", f"Dex-From is not dex:{origin}")
        id = header("Dex-Id")
        if not is_uuid(id):
            raise Unverified(subject, "header", "Dex-Id is no UUID")
        return Received(id, subject, body, digest, mine)

    def _signature(self, subject: str, text: bytes, key: str, signature: str, path: str | None) -> None:
        shared = text if path is None else shared_text(self.trust.origin, path, text)
        if shared is None:
            raise Unverified(subject, "signature", "Dex-Path does not lead to a root")
        known = (key, signature, shared)
        if known in self._good:
            return
        if not verify(key, signature, shared):
            raise Unverified(subject, "signature", "the signature is not that key's over this message")
        if path is not None:  # checked once for all that share it
            if len(self._good) >= _REMEMBERED:
                self._good.clear()
            self._good.add(known)
