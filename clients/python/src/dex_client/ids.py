"""Fresh message ids: UUIDv7, each greater than the one before."""

from __future__ import annotations

import re
import secrets
import time
import uuid

_COUNT_MAX = 0x0FFF


class Ids:
    """Gives out ids. RFC 9562 §6.2, method 1: a counter after the time, begun anew each millisecond."""

    def __init__(self) -> None:
        self._ms = 0
        self._count = 0

    def next(self, now_ms: int | None = None) -> str:
        """An id of the time (milliseconds of Unix time), greater than every id given out before."""
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        if now > self._ms:
            # Half of the range is left for the ids that follow in this millisecond.
            self._ms, self._count = now, secrets.randbits(11)
        elif self._count < _COUNT_MAX:
            self._count += 1
        else:
            self._ms, self._count = self._ms + 1, 0
        return str(uuid.UUID(int=self._ms << 80 | 7 << 76 | self._count << 64 | 2 << 62 | secrets.randbits(62)))


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in canonical form."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
