"""A plug's jobs as they come: pulled from the exchange's work queue under a lease, verified, kept, ended (docs/protocol.md §5.8)."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from .address import parse_address, token
from .canonical import parse_time
from .errors import DexError, FormError, Reason, Refused, Unverified
from .held import Held
from .jobs import page_id, record_id
from .outcome import Outcome
from .received import Received

if TYPE_CHECKING:
    from .client import Client

JobError = Literal[
    "unauthorized", "not-found", "gone", "rate-limited", "timeout", "network", "too-large", "malformed", "refused", "internal"
]
"""Why a fetch failed."""

_STREAM = "DEX_JOBS"
_PULL_SECONDS = 5.0
_BIND_AGAIN = 1.0
# Of a page's id: a message whose id is older than an hour is stale, so the attempt's time stands in it before that.
_PLANNED_MAX = timedelta(minutes=50)
_BACK_MAX = 5
# Of a word that the exchange cannot take now: the first pause before it is said again, and the longest.
_AGAIN = 1.0
_AGAIN_MAX = 15.0
# How often it is said again where the reason is no quota: each time the exchange keeps a dead letter of what it fails on.
_AGAIN_TIMES = 3
_KEPT = object()


class Job(Held):
    """One job in hand. Work on it inside ``async with job:``, which keeps the lease; left without an end it is handed back."""

    def __init__(self, received: Received, client: Client, message: Msg, waits: float) -> None:
        """``waits``: for how many seconds the broker waits before it gives the job to another."""
        body = received.json()
        try:
            self.id: str = body["job"]
            self.hat: str = body["hat"]
            """Whose data."""
            self.plug: str = body["plug"]
            self.endpoint: str = body["endpoint"]
            """What is fetched: a name below the plug's namespace."""
            self.attempt: int = body["attempt"]
            self.planned_at = _time(body["plannedAt"])
            self.ends_at = _time(body["endsAt"])
            """After this it has lapsed."""
            # The plug's lease may have changed after this job was planned: the shorter one holds.
            self.lease_seconds = max(min(waits, float(body["leaseSeconds"])), 1.0)
            """Within which it is kept or ended, else another worker gets it."""
            self.continuation: str | None = body.get("continuation")
            """What was said last of where to go on."""
            self.last_done_at: str | None = body.get("lastDoneAt")
            if self.id != received.id or received.subject != f"dex.v1.job.{token(self.plug)}":
                raise ValueError("it is another job than its headers and subject say")
        except (KeyError, TypeError, ValueError, FormError) as error:
            raise Unverified(received.subject, "body", f"the body is no job: {error!r}") from None
        self.times = message.metadata.num_delivered
        """How often it was handed out, this time included."""
        self._taken_at = datetime.now(timezone.utc)
        self._client, self._message = client, message
        self._over = False

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.endpoint} of {self.hat}, time {self.times})"

    async def _left(self) -> None:
        if not self._over:
            await self.hand_back(2.0 ** min(self.times, _BACK_MAX))  # what made it fail may not have passed at once

    def record(self, source_id: str, data: object, namespace: str | None = None) -> dict[str, Any]:
        """A record that it brings, with the id by which it is applied once. ``namespace`` is the plug's id if absent."""
        id = record_id(self.plug, self.hat, self.endpoint, source_id, data)
        return {"endpoint": f"{namespace or self.plug}/{self.endpoint}", "recordId": id, "data": data}

    async def credit(self, records: Sequence[Mapping[str, Any]], **options: Any) -> Outcome:
        """Brings a page of records, each made by :meth:`record`. The same page again is the same exchange."""
        now = datetime.now(timezone.utc)
        at = next((at for at in (self.planned_at, self._taken_at) if now - at < _PLANNED_MAX), now)
        id = page_id(at, self.plug, self.hat, self.endpoint, [record["recordId"] for record in records])
        return await self._client.credit(self.hat, records, **{"id": id, "job": self.id, **options})

    async def progress(self, continuation: str, *, records: int | None = None) -> Outcome:
        """Keeps a place to go on from, for who gets it if this worker dies. No credentials and nothing of the person."""
        return await self._say({"status": "progress", "continuation": continuation}, records)

    async def done(self, continuation: str | None | object = _KEPT, *, records: int | None = None, retry_after: int | None = None) -> Outcome:
        """It is done. ``continuation`` is for the next round; without it the one before stays, None forgets it.

        What the exchange cannot take now is said again: beyond a quota until the job's end, after a failure of its own three
        times. Raises :class:`Refused`. With an outcome it is off the queue; without one, or after those three times, the job
        comes again.
        """
        word = {"status": "done"} if continuation is _KEPT else {"status": "done", "continuation": continuation}
        return await self._end(word, records, retry_after)

    async def failed(self, error: JobError, *, records: int | None = None, retry_after: int | None = None) -> Outcome:
        """It failed: another attempt is planned, not before ``retry_after`` seconds. Said again and refused as :meth:`done`."""
        return await self._end({"status": "failed", "error": error}, records, retry_after)

    async def hand_back(self, after: float | None = None) -> None:
        """Another worker may have it, at once or after so many seconds."""
        with contextlib.suppress(nats.errors.Error):  # the lease lapses
            await self._message.nak(delay=after)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            with contextlib.suppress(nats.errors.Error):  # the broker is away: the next time, or the lease lapses
                await self._message.in_progress()

    async def _say(self, word: dict[str, Any], records: int | None) -> Outcome:
        """Says a word, again where the exchange cannot take it now: each time under an id of its own, said twice it changes nothing."""
        said = {"job": self.id, **word, **({} if records is None else {"records": records})}
        times, pause = 0, _AGAIN
        async with self._kept():
            while True:
                try:
                    return await self._client.report_job(self.hat, said)
                except Refused as refused:
                    if not _passes(refused.reason, times) or self._lapsed:
                        raise
                await asyncio.sleep(pause)
                times, pause = times + 1, min(2 * pause, _AGAIN_MAX)

    async def _end(self, word: dict[str, Any], records: int | None, retry_after: int | None) -> Outcome:
        try:
            outcome = await self._say(word if retry_after is None else {**word, "retryAfterSeconds": retry_after}, records)
        except Refused as refused:
            # With an outcome it is not this worker's any more. Without one the exchange does not know who spoke, and what passes
            # may have passed when the job comes again.
            if self._lapsed or (refused.outcome is not None and not _passes(refused.reason, 0)):
                await self._acknowledge()
            raise
        await self._acknowledge()
        return outcome

    @property
    def _lapsed(self) -> bool:
        return self.ends_at <= datetime.now(timezone.utc)

    async def _acknowledge(self) -> None:
        self._over = True
        with contextlib.suppress(nats.errors.Error):  # it comes once more, and is found to be over then
            await self._message.ack()


class Jobs:
    """The jobs of the plug that a client speaks for, one with each step; several may be in hand. Without end.

    Leave it by ``async with``, or :meth:`close` it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._name = f"plug_{token(parse_address(client.party).id)}"
        self._consumer: JetStreamContext.PullSubscription | None = None
        self._waits = math.inf

    async def __aenter__(self) -> Jobs:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Takes no more of them; what is in hand may still be ended."""
        if self._consumer is not None:
            with contextlib.suppress(nats.errors.Error):  # the broker is away
                await self._consumer.unsubscribe()
            self._consumer = None

    def __aiter__(self) -> Jobs:
        return self

    async def __anext__(self) -> Job:
        """The next job. Raises :class:`Unverified` for one that is not the exchange's; it is off the queue, the next ones follow."""
        while True:
            message = await self._next()
            if message is None:
                continue
            try:
                received = self._client.verifier.check(message.subject, message.headers or {}, message.data)
                job = Job(received, self._client, message, self._waits)
            except Unverified:
                await message.term()
                raise
            if job._lapsed:
                await message.ack()
                continue
            if job.times > 1:
                await self._go_on(job)
            return job

    async def _next(self) -> Msg | None:
        try:
            if self._consumer is None:
                streams = self._client.wire.nats.jetstream(timeout=self._client.wire.call_seconds)
                # The exchange makes it with the plug's first job.
                consumer = await streams.consumer_info(_STREAM, self._name)
                self._waits = consumer.config.ack_wait or math.inf
                self._consumer = await streams.pull_subscribe_bind(self._name, stream=_STREAM)
            return (await self._consumer.fetch(1, timeout=_PULL_SECONDS))[0]
        except (nats.errors.TimeoutError, asyncio.TimeoutError):
            return None
        except nats.errors.Error:
            if self._client.wire.nats.is_closed:
                raise StopAsyncIteration from None
            self._consumer = None
            await asyncio.sleep(_BIND_AGAIN)
            return None

    async def _go_on(self, job: Job) -> None:
        """Somebody had it before: where that one has got to."""
        with contextlib.suppress(DexError):  # then some of it is fetched twice, and applied once
            told = await self._client.query("plug.jobs", plug=job.plug, hat=job.hat)
            found: dict[str, Any] = next((item for item in told["items"] if item.get("job") == job.id), {})
            job.continuation = found.get("continuation", job.continuation)


def _passes(reason: Reason, times: int) -> bool:
    """Whether the exchange may take the same word a moment later; it was refused ``times`` before."""
    return reason in ("over-quota", "recipient-over-quota") or (reason in ("internal", "stale", "conflict") and times < _AGAIN_TIMES)


def _time(text: str) -> datetime:
    return datetime.fromtimestamp(parse_time(text) / 1e9, timezone.utc)
