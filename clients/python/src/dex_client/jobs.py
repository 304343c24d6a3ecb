"""What the workers of a plug need of jobs: ids that follow from what they name (docs/protocol.md §5.8)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from .canonical import canonical
from .encoding import sha256

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _hash(*parts: bytes) -> bytes:
    """SHA-256 of parts with a zero byte between two of them."""
    return sha256(b"\0".join(parts))


def _uuid(raw: bytes, version: int) -> str:
    """Lays version and variant over 16 bytes."""
    number = int.from_bytes(raw, "big") & ~(0xF << 76) & ~(3 << 62)
    return str(uuid.UUID(int=number | version << 76 | 2 << 62))


def record_id(plug: str, hat: str, endpoint: str, source_id: str, data: object) -> str:
    """The ``recordId`` of a record that a job brings.

    The same for the same record of the source, whoever fetched it and how often. ``endpoint`` is the name below the plug's
    namespace, ``source_id`` the record's id at its source, ``data`` its content.
    """
    content = sha256(canonical(data).encode())
    return _uuid(_hash(plug.encode(), hat.encode(), endpoint.encode(), source_id.encode(), content)[:16], 8)


def page_id(planned_at: datetime, plug: str, hat: str, endpoint: str, record_ids: Sequence[str]) -> str:
    """The ``Dex-Id`` of a credit with these records: who sends the same page again sends the same exchange.

    ``planned_at`` is the job's (an aware datetime); the time of the attempt when that is more than 50 minutes ago.
    """
    ids = b"".join(uuid.UUID(id).bytes for id in record_ids)
    tail = _hash(b"dex-v1-page", plug.encode(), hat.encode(), endpoint.encode(), ids)[:10]
    milliseconds = (planned_at - _EPOCH) // timedelta(milliseconds=1)
    return _uuid(milliseconds.to_bytes(6, "big") + tail, 7)
