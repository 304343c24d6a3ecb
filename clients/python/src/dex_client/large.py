"""Large content: the reference to it, its chunks in an object bucket, and reading it (docs/protocol.md §7.5).

The object store of nats-py is not used: its subjects are random, so no permission of the broker could tell one party's
objects from another's, and it subscribes where one asks here.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, TypeVar

import nats.errors
from nats.aio.client import Client as Nats

from .address import parse_address, token
from .encoding import digest_of
from .errors import BrokerError, DexError, Unverified
from .ids import is_uuid
from .received import Received
from .records import Tally, count_records

CHUNK_BYTES = 128 << 10
"""Bytes of a chunk as it is cut here; all but the last one have as many."""
CHUNK_MIN = 16 << 10
"""Fewest bytes of a chunk that is not the last: it bounds how many there are."""
REQUEST_SECONDS = 10.0
_AHEAD = 4
_PATIENCE = 60.0
_PAUSE_FIRST = 0.05
_PAUSE_MAX = 2.0
_T = TypeVar("_T")


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

    @property
    def reference(self) -> dict[str, Any]:
        """What stands in a message in place of the records."""
        return {"object": asdict(self)}


@dataclass(frozen=True)
class Content:
    """What came: the SHA-256 of its bytes, and the records in them."""

    digest: str
    count: int


class Passing(Exception):
    """Something of the broker that may go well when it is tried again."""


def content_of(body: bytes) -> Content:
    """Digest and count of a body."""
    return Content(digest_of(body), count_records(body))


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
        if reference.chunks > reference.size // CHUNK_MIN + 1:
            raise ValueError("chunks")
    except (KeyError, TypeError, ValueError):
        raise Unverified(received.subject, "body", "the body is no reference to large content") from None
    return reference


def place_of(bucket: str, party: str, id: str) -> str:
    """What the subjects of an object's chunks begin with: under the address of one party, where no other may be."""
    kind, name = parse_address(party)
    return f"$O.{bucket}.C.{kind}.{token(name)}.{id}"


async def patiently(what: str, work: Callable[[], Awaitable[_T]]) -> _T:
    """Tries again what is :class:`Passing`, or brought no answer, for a minute; then raises :class:`BrokerError`."""
    end, pause = time.monotonic() + _PATIENCE, _PAUSE_FIRST
    while True:
        try:
            return await work()
        except (Passing, nats.errors.TimeoutError, nats.errors.NoRespondersError) as error:
            if time.monotonic() + pause > end:
                raise BrokerError(f"{what}: {error}") from error
        except nats.errors.Error as error:
            raise BrokerError(f"{what}: {error}") from error
        await asyncio.sleep(pause)
        pause = min(2 * pause, _PAUSE_MAX)


class Ahead:
    """Work under way, so much at a time, its results in the order in which it began. Leaving the block ends what is left."""

    def __init__(self, most: int) -> None:
        self._most, self._tasks = most, deque[asyncio.Task[Any]]()

    async def __aenter__(self) -> Ahead:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def full(self) -> bool:
        return len(self._tasks) >= self._most

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def next(self) -> Any:
        """The result of what began first."""
        return await self._tasks.popleft()


async def download(nats_client: Nats, party: str, reference: LargeObject, each: Callable[[bytes], Awaitable[None]]) -> Content:
    """Reads an object that is delivered to ``party`` piece by piece, and checks that it is the one."""
    place = f"$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT.{place_of('DEX_LARGE_OUT', party, reference.id)}"

    async def chunk(n: int) -> bytes:
        got = await nats_client.request(f"{place}.{n}", b"", timeout=REQUEST_SECONDS)
        status = (got.headers or {}).get("Status")
        if status == "404":
            raise DexError(f"chunk {n} of {reference.id} is not there, or not any more")
        if status:
            raise Passing(f"the broker says {status}")
        return got.data

    async def patient(n: int) -> bytes:
        return await patiently(f"chunk {n} of {reference.id}", lambda: chunk(n))

    tally, asked = Tally(), 0
    async with Ahead(_AHEAD) as ahead:
        while ahead or asked < reference.chunks:
            while asked < reference.chunks and not ahead.full:
                ahead.begin(patient(asked))
                asked += 1
            piece: bytes = await ahead.next()
            tally.push(piece)
            if tally.size > reference.size:
                break  # more than was promised is not written anywhere
            await each(piece)
    if (tally.size, tally.digest, tally.count) != (reference.size, reference.digest, reference.count):
        raise DexError("the content is not the one that was delivered: size, digest or count differ")
    return Content(tally.digest, tally.count)


def writer_of(to: BinaryIO | Callable[[bytes], Awaitable[object] | object]) -> Callable[[bytes], Awaitable[None]]:
    """Writes pieces into a file, beside the event loop, or hands them to a function."""

    async def write(piece: bytes) -> None:
        if callable(to):
            done = to(piece)
            if inspect.isawaitable(done):
                await done
        else:
            await asyncio.to_thread(to.write, piece)

    return write
