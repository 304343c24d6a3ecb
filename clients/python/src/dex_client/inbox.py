"""What comes to a party: by a pull consumer of its own on ``DEX_OUT``, verified, handed out once (docs/protocol.md §7)."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Union

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy

from .address import parse_address, subject_out, token
from .delivery import Delivery, Verdict
from .errors import BrokerError, FormError, Unverified
from .outcome import Outcome
from .received import Received
from .seen import Hold, Seen

if TYPE_CHECKING:
    from .client import Client
    from .upload import Source

Topic = Literal["all", "deliveries", "outcomes", "notices"]
_STREAM = "DEX_OUT"
_INACTIVE = 3600.0
_BATCH = 32
_PULL_SECONDS = 5.0
_REOPEN_FIRST = 0.1
_REOPEN_MAX = 5.0
_HELD_MIN = 0.05


@dataclass(frozen=True)
class Request:
    """A client pulls: answer with a release. Taken off the broker when handed out; the exchange repeats it."""

    source: str
    """The client of the debit."""
    debit: str
    pull: str
    """``Dex-Pull``."""
    ask: Mapping[str, Any]
    """``since``, ``skip``, ``limit``, as far as they are given."""
    deadline: str
    _client: Client

    async def release(self, records: object, **options: Any) -> Outcome:
        """Answers with these records, under the debit that was named."""
        return await self._client.release(self.debit, records, pull=self.pull, **options)

    async def release_large(self, content: Source, **options: Any) -> Outcome:
        """Answers with content that is larger than a message may be."""
        return await self._client.release_large(self.debit, content, pull=self.pull, **options)


@dataclass(frozen=True)
class Recall:
    """A sender wants a delivery back."""

    delivery: str
    _receipt_to: str
    _client: Client

    async def answer(self, digest: str, count: int, verdict: Verdict = "returned") -> Outcome:
        """Answers; ``returned`` over the delivery's digest and count gives it back."""
        receipt = {"delivery": self.delivery, "digest": digest, "count": count, "verdict": verdict}
        return await self._client.receipt(self._receipt_to, receipt)


@dataclass(frozen=True)
class Outcomes:
    """What became of own messages and exchanges. They may repeat: apply by exchange and status."""

    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Told:
    """A notice, or how a plug and a HAT stand to each other, or anything that a later version tells: verified."""

    topic: str
    body: Any
    message: Received


@dataclass(frozen=True)
class Bad:
    """A message that was not taken: tell the operator.

    One that was not verified is not acknowledged and comes again, for it may be the key known here that is wrong. An outcome
    that cannot be read will never be another: it is taken off the broker, and stands in the stream until its end.
    """

    error: Unverified
    sequence: int
    """Its number in the stream ``DEX_OUT``."""


Item = Union[Delivery, Request, Recall, Outcomes, Told, Bad]
"""One message for a party."""


class Inbox:
    """A party's messages. Iterate over it; leave it by ``async with``, or :meth:`close` it.

    A lost connection or consumer is made anew.
    """

    def __init__(self, client: Client, topic: Topic, durable: bool, only_new: bool, answer_within: float) -> None:
        self._client, self._topic, self._durable, self._only_new = client, topic, durable, only_new
        self._answer_within = answer_within
        self._seen = Seen()
        self._queue: deque[Msg] = deque()
        self._ready: deque[Item] = deque()
        self._consumer: JetStreamContext.PullSubscription | None = None
        self._name: str | None = None
        self._read_to: datetime | None = None
        self._closed = False

    async def __aenter__(self) -> Inbox:
        if self._consumer is None:
            try:
                self._consumer = await self._open()
            except (nats.errors.Error, asyncio.TimeoutError) as error:
                raise BrokerError(f"a consumer for {self._client.party}: {error}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> Item:
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            if self._queue:
                self._ready.extend(await self._take(self._queue.popleft()))
            else:
                await self._fill()
        raise StopAsyncIteration

    async def close(self) -> None:
        """Ends it: what is in hand may still be answered, what was not handed out comes again."""
        if self._closed:
            return
        self._closed = True
        try:
            while self._queue:
                await self._queue.popleft().nak()
            if self._consumer is not None:
                await self._consumer.unsubscribe()
            if not self._durable and self._name is not None:
                await self._client.wire.nats.jetstream().delete_consumer(_STREAM, self._name)
        except (nats.errors.Error, asyncio.TimeoutError):
            pass  # the broker is away: the consumer goes by itself after the inactive threshold

    def _filters(self) -> tuple[list[str], str]:
        party = self._client.party
        kind, id = parse_address(party)
        name = f"{kind}-{token(id)}"
        if self._topic == "deliveries":
            own = subject_out(party, "delivery")
            return [f"{own}.>", own], f"{name}-deliveries"
        if self._topic == "outcomes":
            return [subject_out(party, "outcome")], f"{name}-outcomes"
        if self._topic == "notices":
            return [subject_out(party, "notice")], f"{name}-notices"
        return [f"{subject_out(party)}.>"], name

    async def _open(self) -> JetStreamContext.PullSubscription:
        streams = self._client.wire.nats.jetstream(timeout=self._client.wire.call_seconds)
        filters, durable = self._filters()
        if self._durable:
            self._name = durable
            try:
                # One that is there goes on as it is: its start must not be changed.
                self._waits(await streams.consumer_info(_STREAM, durable))
                return await streams.pull_subscribe_bind(durable, stream=_STREAM)
            except nats.js.errors.NotFoundError:
                pass
        config = ConsumerConfig(
            # By its name too: then the filter stands in the request's subject, where the broker's permissions see it.
            name=durable if self._durable else f"{durable}-{secrets.token_hex(8)}", durable_name=durable if self._durable else None,
            ack_policy=AckPolicy.EXPLICIT, ack_wait=self._answer_within, inactive_threshold=_INACTIVE, deliver_policy=DeliverPolicy.ALL,
        )
        if len(filters) == 1:
            config.filter_subject = filters[0]
        else:
            config.filter_subjects = filters
        if self._read_to is not None:
            config.deliver_policy, config.opt_start_time = DeliverPolicy.BY_START_TIME, self._read_to
        elif self._only_new:
            config.deliver_policy = DeliverPolicy.NEW
        made = await streams.add_consumer(_STREAM, config)
        self._name = made.name
        self._waits(made)
        return await streams.pull_subscribe_bind(made.name, stream=_STREAM)

    def _waits(self, consumer: ConsumerInfo) -> None:
        """Deliveries are held as long as the broker waits: one that was here before may have a time of its own."""
        self._seen.seconds = consumer.config.ack_wait or self._answer_within

    async def _fill(self) -> None:
        """Brings at least one message, or ends with the inbox."""
        pause = _REOPEN_FIRST
        while not self._closed and not self._queue:
            try:
                if self._consumer is None:
                    self._consumer = await self._open()
                self._queue.extend(await self._consumer.fetch(_BATCH, timeout=_PULL_SECONDS))
            except (nats.errors.TimeoutError, asyncio.TimeoutError):
                continue
            except nats.errors.Error:
                if self._client.wire.nats.is_closed:
                    self._closed = True
                    return
                # The broker or the consumer was away: another one is made.
                self._consumer = None
                await asyncio.sleep(pause)
                pause = min(2 * pause, _REOPEN_MAX)

    async def _take(self, message: Msg) -> Sequence[Item]:
        """Reads one message; nothing to hand out when it was answered already, or is in hand."""
        try:
            return await self._read(message)
        except Unverified as error:
            return [Bad(error, message.metadata.sequence.stream)]

    async def _read(self, message: Msg) -> Sequence[Item]:
        if not self._durable:
            self._read_to = message.metadata.timestamp
        topic = message.subject.split(".")[5]  # dex.v1.out.<kind>.<id>.<topic>
        if topic == "outcome":
            return await self._outcomes(message)
        received = self._client.verifier.check(message.subject, message.headers or {}, message.data)
        if topic == "delivery":
            return await self._delivery(received, message)
        item = self._other(topic, received)
        await message.ack()
        return [item]

    async def _outcomes(self, message: Msg) -> Sequence[Item]:
        """The outcomes of one message, and what is none: each is read before the broker is told anything."""
        good: list[Outcome] = []
        bad: list[Item] = []

        def fault(why: str) -> None:
            bad.append(Bad(Unverified(message.subject, "body", why), message.metadata.sequence.stream))

        try:
            body = json.loads(message.data)
        except ValueError as error:
            body = []
            fault(f"the body is no JSON: {error}")
        all = body if isinstance(body, list) else [body]
        for n, one in enumerate(all, 1):
            try:
                good.append(Outcome.read(one))
            except FormError as error:
                fault(f"outcome {n} of {len(all)}: {error}")
        # What cannot be read now never can: it is told, and not brought again.
        await (message.term() if bad else message.ack())
        return [*([Outcomes(good)] if good else []), *bad]

    async def _delivery(self, received: Received, message: Msg) -> Sequence[Item]:
        turn = self._seen.came(received.id)
        if isinstance(turn, Hold):
            try:
                return [Delivery(received, self._client, message, self._seen, turn)]
            except Unverified:
                self._seen.given_up(turn)
                raise
        if turn == "answered":
            await message.ack()
        elif turn < math.inf:
            # In somebody's hands: it comes again when that is over, and not only after another wait of the broker.
            await message.nak(delay=max(turn, _HELD_MIN))
        return []

    def _other(self, topic: str, received: Received) -> Item:
        if topic == "request":
            def debit(value: str) -> str:
                if not value.startswith("debit:"):
                    raise ValueError("names no debit")
                return value[len("debit:") :]

            return Request(
                source=received.address("Dex-Source"), debit=received.field("Dex-Authority", debit),
                pull=received.field("Dex-Pull", str), ask=received.json(), deadline=received.field("Dex-Deadline", str),
                _client=self._client,
            )
        if topic == "recall":
            body = received.json()
            if not isinstance(body, dict) or not isinstance(body.get("delivery"), str):
                raise Unverified(received.subject, "body", "a recall names a delivery")
            return Recall(body["delivery"], received.receipt_to(), self._client)
        return Told(topic, received.json(), received)


class Deliveries:
    """Content for a party, each delivery once until it is answered. As :class:`Inbox`, without anything else."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def __aenter__(self) -> Deliveries:
        await self._inbox.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._inbox.close()

    def __aiter__(self) -> Deliveries:
        return self

    async def __anext__(self) -> Delivery:
        """The next delivery. Raises :class:`Unverified` for a message that was not taken; the next ones follow."""
        while True:
            item = await self._inbox.__anext__()
            if isinstance(item, Bad):
                raise item.error
            if isinstance(item, Delivery):
                return item
