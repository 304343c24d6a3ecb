"""Addresses and subjects (docs/protocol.md §1, §2)."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import ArgumentError

KINDS = ("hat", "plug", "app", "org", "platform", "bridge", "operator", "offer", "lane", "dex", "pseudonym")
_ID = re.compile(r"[a-z0-9-](?:[a-z0-9.-]{0,126}[a-z0-9-])?")


class Address(NamedTuple):
    """Who or what: ``kind:id``, such as ``hat:bob.hubat.net``."""

    kind: str
    id: str


def check_id(id: str) -> str:
    """The id itself, when it is one."""
    if not _ID.fullmatch(id):
        raise ArgumentError(f"{id!r} is no id: 1 to 128 of a-z, 0-9, '.' and '-', no dot at either end")
    return id


def parse_address(text: str) -> Address:
    """Reads ``kind:id``. Raises :class:`ArgumentError` when it is none."""
    kind, colon, id = text.partition(":")
    if not colon or kind not in KINDS:
        raise ArgumentError(f"{text!r} is no address: write kind:id, such as hat:bob.hubat.net")
    return Address(kind, check_id(id))


def token(id: str) -> str:
    """An id as one token of a subject: each ``.`` is written ``_``."""
    return check_id(id).replace(".", "_")


def subject_in(to: str, *action: str) -> str:
    """The subject of a message in: the action, and the id that it is about, such as ``"credit", "fitbit"``."""
    kind, id = parse_address(to)
    return ".".join(["dex.v1.in", kind, token(id), *map(token, action)])


def subject_out(to: str, *topic: str) -> str:
    """The subject of what comes to a party."""
    kind, id = parse_address(to)
    return ".".join(["dex.v1.out", kind, token(id), *map(token, topic)])
