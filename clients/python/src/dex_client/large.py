"""Large content: objects in the bucket ``DEX_LARGE_OUT``, chunk by chunk (docs/protocol.md §7.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client as Nats

from .address import parse_address, token
from .encoding import digest_of
from .errors import BrokerError, DexError, Unverified
from .ids import is_uuid
from .received import Received

_REQUEST_SECONDS = 10.0
# What matters to counting: texts, which may hold brackets, and brackets.
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


@dataclass(frozen=True)
class LargeObject:
    """Where large content lies, and what it is."""

    id: str
    size: int
    """Bytes."""
    digest: str
    """SHA-256 of all of them, hex."""
    count: int
    """Records."""
    chunks: int
    """Messages that it is cut into."""


@dataclass(frozen=True)
class Content:
    """Content in hand: its bytes, their SHA-256, the records in them."""

    body: bytes
    digest: str
    count: int


def count_records(body: bytes) -> int:
    """The records in these bytes: elements of one JSON array, or objects one after the other.

    Counted by their brackets alone, so that nothing is built of a large content.
    """
    depth = count = 0
    base: int | None = None
    for mark in _MARKS.finditer(body):
        byte = body[mark.start()]
        if byte in b"{[":
            # The first bracket says whether the records stand in an array.
            if base is None:
                base = 1 if byte == 0x5B else 0
            count += depth == base and byte == 0x7B
            depth += 1
        elif byte in b"}]":
            depth -= 1
    return count


def content_of(body: bytes) -> Content:
    """Digest and count of a body."""
    return Content(body, digest_of(body), count_records(body))


def object_of(received: Received) -> LargeObject | None:
    """The reference in a delivery's body; none where the body is the records."""
    # A reference is one object with one member; records have others, and a body of more bytes is none.
    if len(received.body) > 1024:
        return None
    body = received.json()
    if not isinstance(body, dict) or set(body) != {"object"}:
        return None
    found = body["object"]

    def whole(name: str) -> int:
        n = found[name]
        if not isinstance(n, int) or n <= 0:
            raise ValueError(name)
        return n

    try:
        reference = LargeObject(found["id"], whole("size"), found["digest"], whole("count"), whole("chunks"))
        if not is_uuid(reference.id) or not re.fullmatch(r"[0-9a-f]{64}", reference.digest):
            raise ValueError("id")
    except (KeyError, TypeError, ValueError):
        raise Unverified(received.subject, "body", "the body is no reference to large content") from None
    return reference


async def download(nats_client: Nats, party: str, reference: LargeObject, max_bytes: int) -> Content:
    """Reads an object that is delivered to ``party``, and checks that it is the one."""
    if reference.size > max_bytes:
        raise DexError(f"the content has {reference.size} bytes, more than {max_bytes}")
    kind, id = parse_address(party)
    place = f"$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT.$O.DEX_LARGE_OUT.C.{kind}.{token(id)}.{reference.id}"
    body = bytearray()
    for n in range(reference.chunks):
        try:
            chunk = await nats_client.request(f"{place}.{n}", b"", timeout=_REQUEST_SECONDS)
        except nats.errors.Error as error:
            raise BrokerError(f"chunk {n} of {reference.id}: {error}") from error
        if (chunk.headers or {}).get("Status"):
            raise DexError(f"chunk {n} of {reference.id} is not there, or not any more")
        body += chunk.data
        if len(body) > reference.size:
            break
    content = content_of(bytes(body))
    if (len(body), content.digest, content.count) != (reference.size, reference.digest, reference.count):
        raise DexError("the content is not the one that was delivered: size, digest or count differ")
    return content
