"""Entries of the ledger: read, and the outcomes that follow from them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ormsgpack

from .encoding import digest_of
from .errors import ProofError

Fields = Mapping[str, Any]
"""Fields of an entry: MessagePack with names. Ids are 16 bytes, digests 32, times nanoseconds."""


@dataclass(frozen=True)
class Entry:
    """One entry: an event of one entity, with the message that caused it."""

    entity: str
    """Who decided."""
    n: int
    """The entity's entry number: 1, 2, 3…"""
    at: int
    """Event time, nanoseconds of Unix time."""
    event: str
    """What happened: the event's name, such as ``Opened``."""
    fields: Fields
    """The event's fields; empty for one that has none."""
    cause: Fields | None
    """The facts of the message that caused it, when one did."""


@dataclass(frozen=True)
class Told:
    """An outcome without its place in the ledger and time, and to whom it is told."""

    to: str
    outcome: Mapping[str, Any]


def _fault(what: str) -> ProofError:
    return ProofError(f"the leaf holds no entry that this version reads: {what}")


def _text(of: Fields, name: str) -> str:
    value = of.get(name)
    if not isinstance(value, str):
        raise _fault(f"{name} is no text")
    return value


def _number(of: Fields, name: str) -> int:
    value = of.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _fault(f"{name} is no number")
    return value


def _raw(of: Fields, name: str, length: int) -> bytes:
    value = of.get(name)
    if not isinstance(value, bytes) or len(value) != length:
        raise _fault(f"{name} has not {length} bytes")
    return value


def _id(of: Fields, name: str) -> str:
    return str(uuid.UUID(bytes=_raw(of, name, 16)))


def _digest(of: Fields, name: str) -> str:
    return _raw(of, name, 32).hex()


def _map(value: object, what: str) -> Fields:
    if not isinstance(value, dict):
        raise _fault(f"{what} is no map")
    return value


def read_entry(raw: bytes) -> Entry:
    """Reads an entry. Raises :class:`ProofError`."""
    try:
        value = _map(ormsgpack.unpackb(raw), "it")
    except ormsgpack.MsgpackDecodeError as error:
        raise _fault(str(error)) from None
    event = value.get("event")
    name, fields = (event, {}) if isinstance(event, str) else next(iter(_map(event, "the event").items()), (None, {}))
    if not isinstance(name, str):
        raise _fault("it has no event")
    cause = value.get("cause")
    return Entry(
        entity=_text(value, "entity"), n=_number(value, "n"), at=_number(value, "at"), event=name,
        fields=fields if isinstance(fields, dict) else {}, cause=cause if isinstance(cause, dict) else None,
    )


# Events that tell their causer nothing, or are caused by nobody.
_SILENT = {"RefusedUnauthenticated", "DeadLetter", "OperatorDeclared", "Expired"}
# Asked of somebody else, or on its way.
_ACCEPTED = {"Opened", "Fanned", "RecallRequested", "Claimed", "PlugAsked", "OfferPulled"}
_REASONED = {"Held": "pending", "Rejected": "rejected", "OfferRefused": "rejected", "Disputed": "disputed"}
_FIXED: dict[str, tuple[str, str | None]] = {
    "Fetching": ("pending", None), "Seconded": ("pending", "not-approved"), "Recalled": ("recalled", "recalled-by-sender"),
    "LateReceipt": ("rejected", "wrong-state"),
}


def _first(entry: Entry) -> tuple[str, str | None] | None:
    """What the causer of an entry is told first."""
    if entry.event in _SILENT:
        return None
    if entry.event in _ACCEPTED:
        return "accepted", None
    if entry.event in _REASONED:
        return _REASONED[entry.event], _text(entry.fields, "reason")
    return _FIXED.get(entry.event, ("settled", None))


def _dropped(of: Fields) -> dict[str, Any]:
    """The member ``dropped``, when any fields were left out."""
    return {"dropped": of["dropped"]} if of.get("dropped") else {}


def _why(reason: str | None) -> dict[str, Any]:
    return {} if reason is None else {"reason": reason}


def _inner(fields: Fields, name: str) -> Fields:
    """The exchange in an event, which may be the event itself or its field."""
    found = fields.get(name)
    return found if isinstance(found, dict) else fields


def _fanned(fields: Fields) -> dict[str, Any]:
    """Count and parts of a fan-out."""
    parts = [_map(part, "a part") for part in fields.get("parts", [])]
    each = [{"exchange": _id(part, "exchange"), "debit": _text(part, "debit"), **_dropped(part)} for part in parts]
    return {"count": _number(fields, "count"), **({"parts": each} if each else {})}


def _first_outcome(entry: Entry) -> Told | None:
    told, cause, fields = _first(entry), entry.cause, entry.fields
    if cause is None or told is None or _text(cause, "from").startswith("dex:"):
        return None
    status, reason = told
    said: dict[str, Any] = {"exchange": _id(cause, "id"), "status": status, **_why(reason), "digestIn": _digest(cause, "body"), "count": 0}
    if entry.event in ("Opened", "Held"):
        opened = _inner(fields, "opened")
        said |= {"delivery": _id(opened, "delivery"), "digestOut": _digest(opened, "digest_out"), "count": _number(opened, "count_out")}
        said |= _dropped(opened)
    elif entry.event == "Fetching":
        object = _map(fields.get("object"), "object")
        said |= {"digestIn": _digest(object, "digest"), "count": _number(object, "count")}
        # What goes to all debits has no delivery of its own.
        if not fields.get("debits"):
            said["delivery"] = _id(fields, "delivery")
    elif entry.event == "Fanned":
        said |= _fanned(fields)
    elif entry.event in ("Settled", "Disputed", "Recalled"):
        closed = _inner(fields, "closed")
        said |= {"delivery": _id(closed, "delivery"), "count": _number(closed, "count")}
    elif entry.event == "LateReceipt":
        said["delivery"] = _id(fields, "delivery")
    elif entry.event == "NoticePosted":
        said["delivery"] = _id(fields, "notice")
    return Told(_text(cause, "from"), said)


def _later(of: Fields, status: str, reason: str | None, counted: str) -> Told:
    """What the sender of an exchange is told when it ends, or goes on."""
    said = {
        "exchange": _id(of, "exchange"), "status": status, **_why(reason), "delivery": _id(of, "delivery"),
        "digestIn": _digest(of, "digest_in"), "digestOut": _digest(of, "digest_out"), "count": _number(of, counted),
    }
    return Told(_text(of, "from"), said | (_dropped(of) if counted == "count_out" else {}))


def _answered(entry: Entry, to: str, asked: str, status: str, reason: str | None = None) -> Told:
    digest = digest_of(b"") if entry.cause is None else _digest(entry.cause, "body")
    return Told(to, {"exchange": asked, "status": status, **_why(reason), "digestIn": digest, "count": 0})


def told_by(entry: Entry) -> list[Told]:
    """All outcomes that follow from an entry, and to whom each is told."""
    event, fields = entry.event, entry.fields
    first = _first_outcome(entry)
    return ([] if first is None else [first]) + _further(entry, event, fields)


def _further(entry: Entry, event: str, fields: Fields) -> list[Told]:
    if event in ("Released", "Fetched"):
        return [_later(fields, "accepted", None, "count_out")]
    if event == "Fanned" and isinstance(fields.get("fetched"), dict):
        # Large content for all debits: what it has become, once it was fetched.
        fetched = fields["fetched"]
        said = {"exchange": _id(fetched, "exchange"), "status": "accepted", "digestIn": _digest(fetched, "digest_in")}
        return [Told(_text(fetched, "from"), {**said, **_fanned(fields)})]
    if event == "PullRefused":
        said = {"exchange": _id(fields, "pull"), "status": "rejected", "reason": _text(fields, "reason")}
        return [Told(_text(fields, "by"), {**said, "digestIn": _digest(fields, "digest"), "count": 0})]
    if event == "Held" and entry.cause is None and _inner(fields, "opened").get("large") is not None:
        return [_later(_inner(fields, "opened"), "pending", _text(fields, "reason"), "count_out")]
    if event in ("Dropped", "Disputed"):
        return [_later(_inner(fields, "closed"), "rejected" if event == "Dropped" else "disputed", _text(fields, "reason"), "count")]
    ends = {"Settled": ("settled", None), "Expired": ("expired", "deadline-passed"), "Recalled": ("recalled", "recalled-by-sender")}
    if event in ends:
        return [_later(fields, *ends[event], "count")]
    if event == "DebitProposed" and fields.get("claim") is not None:
        return [_answered(entry, entry.entity, _id(fields, "claim"), "settled")]
    if event == "ClaimRefused":
        return [_answered(entry, entry.entity, _id(fields, "claim"), "rejected", "offer-full")]
    if event == "PlugConnected" and fields.get("asked") is not None:
        return [_answered(entry, "plug:" + _text(fields, "plug"), _id(fields, "asked"), "settled")]
    if event == "PlugUnanswered":
        status, reason = ("rejected", "refused-by-recipient") if fields.get("declined") is True else ("expired", "deadline-passed")
        return [_answered(entry, "plug:" + _text(fields, "plug"), _id(fields, "asked"), status, reason)]
    return []
