"""One connection to the broker, shared by all parties that speak over it: answers, window, ids."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from .errors import BrokerError, NoAnswer, QueryRefused
from .ids import Ids

WINDOW = 4096
"""Most messages of one connection that wait for their first outcome; further ones wait for room."""
_QUERY_PAUSE = 0.2
_QUERY_PAUSE_MAX = 2.0
_ARRIVED_MAX = 256


@dataclass(frozen=True)
class Arrived:
    """What came to somebody who waits: an answer of the exchange, or the broker's word on storing a message."""

    kind: Literal["answer", "problem", "stored", "not-stored"]
    body: Any = None


class Waiter:
    """Somebody who waits for answers."""

    def __init__(self, inbox: str, name: str) -> None:
        self.answer_to = f"{inbox}.a{name}"
        self.stored_to = f"{inbox}.s{name}"
        # Bounded: what repeats bring beyond it is dropped, the next repeat asks again.
        self._came: asyncio.Queue[Arrived] = asyncio.Queue(_ARRIVED_MAX)

    def take(self, arrived: Arrived) -> None:
        """Something came."""
        if not self._came.full():
            self._came.put_nowait(arrived)

    async def next(self, seconds: float) -> Arrived | None:
        """The next arrival; None after so many seconds without one."""
        try:
            return await asyncio.wait_for(self._came.get(), max(seconds, 0))
        except asyncio.TimeoutError:
            return None


class Wire:
    """The connection behind clients."""

    def __init__(self, client: Nats, inbox_prefix: str, call_seconds: float) -> None:
        self.nats = client
        self.call_seconds = call_seconds
        self.ids = Ids()
        self.window = asyncio.Semaphore(WINDOW)
        self._inbox = f"{inbox_prefix}.{secrets.token_hex(11)}"
        self._waiting: dict[str, Waiter] = {}
        self._names = 0
        self._answers: Subscription | None = None

    async def open(self) -> None:
        """Begins to listen for answers."""
        self._answers = await self.nats.subscribe(f"{self._inbox}.*", cb=self._hand)

    async def close(self) -> None:
        """Ends the connection."""
        if not self.nats.is_closed:
            await self.nats.drain()

    async def _hand(self, message: Msg) -> None:
        end = message.subject[len(self._inbox) + 1 :]
        waiter = self._waiting.get(end[1:])
        if waiter is not None:
            waiter.take(_stored(message) if end.startswith("s") else _answer(message))

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[Waiter]:
        """Somebody who waits, as long as the block lasts."""
        name = str(self._names)
        self._names += 1
        waiter = self._waiting[name] = Waiter(self._inbox, name)
        try:
            yield waiter
        finally:
            del self._waiting[name]

    async def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None, reply: str) -> None:
        """Publishes once."""
        try:
            await self.nats.publish(subject, body, reply=reply, headers=dict(headers) if headers else None)
        except nats.errors.Error as error:
            raise BrokerError(f"cannot publish on {subject}: {error}") from error

    async def query(self, query: str, question: object) -> Any:
        """Asks ``dex.v1.api.<query>``, again (it changes nothing) until an answer comes or the time is over."""
        body = json.dumps(question).encode()
        end, pause = time.monotonic() + self.call_seconds, _QUERY_PAUSE
        async with self.enter() as waiter:
            while (now := time.monotonic()) < end:
                await self.publish(f"dex.v1.api.{query}", body, None, waiter.answer_to)
                again = min(now + pause, end)
                while (left := again - time.monotonic()) > 0:
                    arrived = await waiter.next(left)
                    if arrived is not None and arrived.kind == "problem":
                        raise QueryRefused(query, arrived.body)
                    if arrived is not None and arrived.kind == "answer":
                        return arrived.body
                pause = min(2 * pause, _QUERY_PAUSE_MAX)
        raise NoAnswer(query, self.call_seconds)


def _no_responders(message: Msg) -> bool:
    return (message.headers or {}).get("Status") == "503"


def _stored(message: Msg) -> Arrived:
    if _no_responders(message):
        return Arrived("not-stored")
    try:
        return Arrived("not-stored" if "error" in json.loads(message.data) else "stored")
    except ValueError:
        return Arrived("not-stored")


def _answer(message: Msg) -> Arrived:
    if _no_responders(message):
        return Arrived("not-stored")
    headers = message.headers or {}
    problem = headers.get("Content-Type") == "application/problem+json" or "Nats-Service-Error" in headers
    try:
        return Arrived("problem" if problem else "answer", json.loads(message.data))
    except ValueError:
        return Arrived("not-stored")
