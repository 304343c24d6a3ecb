"""Times to the nanosecond, and JSON in the canonical form of RFC 8785 for what has no fractions."""

from __future__ import annotations

import calendar
import json
import re
import time

from .errors import FormError, ProofError

_WHOLE_MAX = (1 << 53) - 1


def parse_time(text: str) -> int:
    """Nanoseconds of Unix time of an RFC 3339 text in UTC. Raises :class:`FormError` when it is none."""
    parts = re.fullmatch(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z", text, re.ASCII)
    try:
        whole = calendar.timegm(time.strptime(parts[1], "%Y-%m-%dT%H:%M:%S")) if parts else None
    except ValueError:
        whole = None
    if parts is None or whole is None:
        raise FormError(f"{text!r} is no time like 2026-01-31T12:00:00Z")
    return whole * 1_000_000_000 + int((parts[2] or "").ljust(9, "0"))


def canonical(value: object) -> str:
    """The canonical text of a JSON value: no blanks, members in order of their names' UTF-16 units.

    Raises :class:`ProofError` for a number with a fraction, or beyond ±(2^53 - 1).
    """
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and abs(value) <= _WHOLE_MAX:
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: str(member[0]).encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(str(name))}:{canonical(member)}" for name, member in members) + "}"
    raise ProofError(f"{value!r} is no whole number within ±(2^53 - 1)")
