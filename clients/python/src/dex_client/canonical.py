"""Times to the nanosecond, and JSON in the canonical form of RFC 8785."""

from __future__ import annotations

import calendar
import json
import math
import re
import time
from collections.abc import Mapping
from decimal import Decimal

from .errors import ArgumentError, FormError

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

    Numbers are written as ECMAScript writes the nearest double. Raises :class:`ArgumentError` for what is no JSON.
    """
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and abs(value) <= _WHOLE_MAX:
        return str(value)
    if isinstance(value, (int, float)):
        return _number(float(value))
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Mapping):
        members = sorted(value.items(), key=lambda member: str(member[0]).encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(str(name))}:{canonical(member)}" for name, member in members) + "}"
    raise ArgumentError(f"{value!r} is no JSON")


def _number(value: float) -> str:
    """As ``Number.prototype.toString`` writes it. Python finds the same fewest digits; only their layout differs."""
    if not math.isfinite(value):
        raise ArgumentError(f"{value!r} is no JSON")
    sign, figures, exponent = Decimal(repr(value)).as_tuple()
    digits = "".join(map(str, figures)).strip("0")
    if not digits:
        return "0"
    # 0.digits × 10^point
    point = len("".join(map(str, figures)).lstrip("0")) + int(exponent)
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1:+d}"
    return "-" * sign + text
