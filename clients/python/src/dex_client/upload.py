"""Sending large content: cut into chunks, which are stored under the sender's own address (docs/protocol.md §7.5)."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterable, AsyncIterator
from typing import BinaryIO, Union

from nats.aio.client import Client as Nats

from .errors import ArgumentError, BrokerError
from .large import CHUNK_BYTES, REQUEST_SECONDS, Ahead, LargeObject, Passing, patiently, place_of
from .records import Tally

Source = Union[bytes, BinaryIO, AsyncIterable[bytes]]
"""Content to send: a JSON array of records, or JSON Lines. A file is read beside the event loop, in pieces."""

LARGE_MAX = 1 << 30
"""Most bytes of a content; an exchange may take fewer."""
_UNDER_WAY = 8
_THERE_ALREADY = 10_071
_FULL = 10_077


async def _pieces(source: Source) -> AsyncIterator[bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source)
        for at in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[at : at + CHUNK_BYTES])
    elif isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    else:
        while piece := await asyncio.to_thread(source.read, CHUNK_BYTES):
            if not isinstance(piece, bytes):
                raise ArgumentError("a file with content is opened in binary mode")
            yield piece


async def chunks_of(source: Source) -> AsyncIterator[bytes]:
    """The content in chunks, all of them whole but the last."""
    held = bytearray()
    async for piece in _pieces(source):
        held += piece
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)


async def _put(nats_client: Nats, subject: str, chunk: bytes) -> None:
    """Stores one chunk; one that is there already stays as it is."""
    headers = {"Nats-Expected-Last-Subject-Sequence": "0"}
    answer = await nats_client.request(subject, chunk, timeout=REQUEST_SECONDS, headers=headers)
    try:
        error = json.loads(answer.data).get("error")
    except (ValueError, AttributeError):
        raise Passing("an acknowledgement that cannot be read") from None
    if error is None or error.get("err_code") == _THERE_ALREADY:
        return
    if error.get("err_code") == _FULL:
        raise Passing(f"the bucket is full: {error.get('description')}")
    raise BrokerError(f"the bucket refuses it: {error.get('description')}")


async def upload(nats_client: Nats, party: str, source: Source) -> LargeObject:
    """Stores a content for one message of ``party``; a few chunks are in memory at a time."""
    id = str(uuid.uuid4())
    place, tally, number = place_of("DEX_LARGE_IN", party, id), Tally(), 0

    async def put(n: int, chunk: bytes) -> None:
        await patiently(f"chunk {n} of {id}", lambda: _put(nats_client, f"{place}.{n}", chunk))

    async with Ahead(_UNDER_WAY) as ahead:
        async for chunk in chunks_of(source):
            tally.push(chunk)
            if tally.size > LARGE_MAX:
                raise ArgumentError(f"the content has more than {LARGE_MAX} bytes")
            if ahead.full:
                await ahead.next()
            ahead.begin(put(number, chunk))
            number += 1
        while ahead:
            await ahead.next()
    if not tally.whole:
        raise ArgumentError("the content is no JSON array of records, nor records as JSON Lines")
    return LargeObject(id, tally.size, tally.digest, tally.count, number)
