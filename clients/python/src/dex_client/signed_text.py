"""The text that a signature is over (docs/protocol.md §4)."""

from __future__ import annotations

from collections.abc import Mapping

_IN = ("Dex-Id", "Dex-From", "Dex-Key", "Dex-Deadline", "Dex-Reply", "Dex-Want", "Dex-Pull")
_OUT = ("Dex-Source", "Dex-Count", "Dex-Receipt-To", "Dex-Authority")


def _head(version: str, origin: str, subject: str, headers: Mapping[str, str], body_digest: str) -> list[str]:
    return [version, origin, subject, *(headers.get(name, "") for name in _IN), body_digest]


def _joined(lines: list[str], last: str | None) -> bytes:
    """Lines joined by LF; the last header has a line only where it is there."""
    return "\n".join(lines if last is None else [*lines, last]).encode()


def signed_text_in(origin: str, subject: str, headers: Mapping[str, str], body_digest: str) -> bytes:
    """The text of a message to the exchange; ``body_digest`` is the SHA-256 of the body, hex."""
    return _joined(_head("dex-v1", origin, subject, headers, body_digest), headers.get("Dex-Job"))


def signed_text_out(origin: str, subject: str, headers: Mapping[str, str], body_digest: str) -> bytes:
    """The text of a message from the exchange; ``body_digest`` is the SHA-256 of the body, hex."""
    lines = _head("dex-v1-out", origin, subject, headers, body_digest)
    return _joined([*lines, *(headers.get(name, "") for name in _OUT)], headers.get("Dex-Digest-In"))
