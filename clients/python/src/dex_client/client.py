"""A party's voice: signed messages in, their outcomes, and queries."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import nats
import nats.errors

from .address import parse_address, subject_in
from .canonical import canonical
from .encoding import digest_of
from .errors import ArgumentError, BrokerError, DexError, FormError, NoOutcome, Refused
from .following import Following
from .ids import is_uuid
from .inbox import Deliveries, Inbox, Topic
from .keys import SigningKey, public_key_bytes
from .large import LargeObject
from .outcome import Outcome, Root
from .received import Trust, Verifier
from .signed_text import signed_text_in
from .trust_bundle import TrustBundle, open_trust_bundle
from .upload import Source, upload
from .wire import Wire
from .worker import Jobs

_REPEAT_FIRST = 0.2
_REPEAT_MAX = 2.0
_ASK_MAX = 8.0
Records = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Conclusion:
    """How a message ended: its first outcome, and its final ones (one for each part of a fan-out)."""

    first: Outcome
    last: Sequence[Outcome]


class Client:
    """One party's voice over a connection; a connection may carry many. Made by :func:`connect`.

    Options of everything that sends, by name: ``id`` (a UUIDv7: to repeat a message, or to know its id beforehand),
    ``deadline`` (an aware datetime, 1 s to 7 days ahead), ``want_proof`` (the ledger proof comes with the outcome),
    ``pull`` (on a release: the request that it answers), ``job`` (on a credit: the job that it belongs to), ``wait``
    (seconds for the first outcome).
    """

    def __init__(self, wire: Wire, party: str, key: SigningKey | None, trust: Trust) -> None:
        parse_address(party)
        if trust.keys != "broker":
            for known in trust.keys:
                public_key_bytes(known)
        self.wire, self.party, self.trust = wire, party, trust
        self.verifier = Verifier(trust)
        self._key = key

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection, for all who speak over it."""
        await self.wire.close()

    def speaking(self, party: str, key: SigningKey | None = None) -> Client:
        """Another party over the same connection."""
        return Client(self.wire, party, key, self.trust)

    def message_id(self) -> str:
        """A fresh message id, greater than every one before it on this connection."""
        return self.wire.ids.next()

    async def query(self, query: str, **question: Any) -> Any:
        """Asks ``dex.v1.api.<query>`` (docs/protocol.md §10).

        Raises :class:`QueryRefused` when the exchange says no, :class:`NoAnswer` when nothing came.
        """
        return await self.wire.query(query, question)

    async def send(self, to: str, *action: str, body: object = None, **options: Any) -> Outcome:
        """Sends a message and waits for its first outcome. It leaves again, under the same id, until that comes.

        ``to`` is an address, ``action`` the action and the id that it is about, such as ``"plug-connect", "fitbit"``;
        ``body`` is JSON, bytes as they are, or nothing. Raises :class:`Refused` when the exchange rejects it,
        :class:`NoOutcome` when no outcome came in time.
        """
        return await self.send_on(subject_in(to, *action), body, **options)

    async def send_on(
        self, subject: str, body: object = None, *, id: str | None = None, deadline: datetime | None = None,
        want_proof: bool = False, pull: str | None = None, job: str | None = None, wait: float | None = None,
    ) -> Outcome:
        """As :meth:`send`, on a subject that is given whole, such as a delivery's ``Dex-Receipt-To``."""
        if self._key is None:
            raise ArgumentError("this client has no signing key, so it can send nothing")
        id = id or self.message_id()
        if not is_uuid(id):
            raise ArgumentError(f"{id!r} is no UUID in canonical form")
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        headers = {"Dex-Id": id, "Dex-From": self.party, "Dex-Key": self._key.public_key}
        if deadline is not None:
            if deadline.tzinfo is None:
                raise ArgumentError("a deadline is a datetime with its time zone")
            headers["Dex-Deadline"] = deadline.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if want_proof:
            headers["Dex-Want"] = "proof"
        headers |= {name: value for name, value in (("Dex-Pull", pull), ("Dex-Job", job)) if value is not None}
        waited = self.wire.call_seconds if wait is None else wait
        end = time.monotonic() + waited
        try:
            await asyncio.wait_for(self.wire.window.acquire(), waited)
        except asyncio.TimeoutError:
            raise NoOutcome(id, waited, False) from None
        try:
            return await self._exchange(subject, id, content, headers, self._key, waited, end)
        finally:
            self.wire.window.release()

    async def _exchange(
        self, subject: str, id: str, body: bytes, headers: dict[str, str], key: SigningKey, waited: float, end: float
    ) -> Outcome:
        async with self.wire.enter() as waiter:
            headers["Dex-Reply"] = waiter.answer_to
            headers["Dex-Sig"] = key.sign(signed_text_in(self.trust.origin, subject, headers, digest_of(body)))
            pause, stored = _REPEAT_FIRST, False
            while (now := time.monotonic()) < end:
                await self.wire.publish(subject, body, headers, waiter.stored_to)
                again = min(now + pause, end)
                while (left := again - time.monotonic()) > 0:
                    arrived = await waiter.next(left)
                    if arrived is not None and arrived.kind in ("answer", "problem"):
                        return _judge(id, arrived.body)
                    if arrived is not None and arrived.kind == "stored" and not stored:
                        stored, pause = True, _REPEAT_MAX
                        again = min(time.monotonic() + pause, end)
                pause = min(2 * pause, _ASK_MAX if stored else _REPEAT_MAX)
        raise NoOutcome(id, waited, stored)

    async def conclude(self, to: str, *action: str, body: object = None, within: float, **options: Any) -> Conclusion:
        """Sends a message and waits until it, or every part of its fan-out, has ended; at most ``within`` seconds.

        Raises as :meth:`send`; :class:`NoOutcome` names what is still open.
        """
        end = time.monotonic() + within
        async with self.inbox("outcomes", durable=False, only_new=True) as inbox:  # listening begins before it leaves
            first = await self.send(to, *action, body=body, **{"wait": within, **options})
            if first.final and not first.parts:
                return Conclusion(first, [first])
            ended: dict[str, Outcome | None] = {part.exchange: None for part in (first.parts or (first,))}
            following = Following(inbox, within, end)
            while None in ended.values():
                for outcome in await following.next(next(id for id, outcome in ended.items() if outcome is None)):
                    if outcome.exchange not in ended:
                        continue
                    if outcome.parts:  # large content for all debits: its parts are known only now
                        del ended[outcome.exchange]
                        ended.update({part.exchange: None for part in outcome.parts})
                    elif outcome.final:
                        ended[outcome.exchange] = outcome
            return Conclusion(first, [outcome for outcome in ended.values() if outcome is not None])

    async def upload(self, content: Source) -> LargeObject:
        """Stores content that is larger than a message may be (512 KiB), for one message of this party.

        A few chunks are in memory at a time. What no message names the broker deletes after a day. Raises
        :class:`ArgumentError` when it is no records, :class:`BrokerError` when it is not taken.
        """
        return await upload(self.wire.nats, self.party, content)

    async def send_object(self, to: str, *action: str, object: LargeObject, within: float = 60.0, **options: Any) -> Outcome:
        """Sends a message that names an uploaded object, and waits until the exchange has fetched it; ``within`` seconds at most.

        The outcome is ``accepted``, ``pending`` with a reason, or final. Raises as :meth:`send`; with :class:`NoOutcome` the
        exchange may still be fetching.
        """
        end = time.monotonic() + within
        async with self.inbox("outcomes", durable=False, only_new=True) as inbox:
            last = await self.send(to, *action, body=object.reference, **{"wait": within, **options})
            id, following = last.exchange, Following(inbox, within, end)
            while last.status == "pending" and last.reason is None:
                last = next((it for it in await following.next(id) if it.exchange == id), last)
            return _taken(id, last)

    async def credit_large(self, hat: str, content: Source, *, within: float = 60.0, **options: Any) -> Outcome:
        """As :meth:`credit`, with content of any size up to the exchange's limit: uploads it, then as :meth:`send_object`."""
        to, id = f"hat:{hat}", parse_address(self.party).id
        return await self.send_object(to, "credit", id, object=await self.upload(content), within=within, **options)

    async def release_large(self, debit: str, content: Source, *, within: float = 60.0, **options: Any) -> Outcome:
        """As :meth:`release`, with content of any size; with ``pull`` the answer to a request."""
        return await self.send_object(self.party, "release", debit, object=await self.upload(content), within=within, **options)

    async def data_large(self, content: Source, *, within: float = 60.0, **options: Any) -> Outcome:
        """As :meth:`data`, with content of any size: the outcome names the parts."""
        return await self.send_object(self.party, "data", object=await self.upload(content), within=within, **options)

    async def credit(self, hat: str, records: Records, **options: Any) -> Outcome:
        """As a plug or an app: writes records into a HAT that has connected it."""
        return await self.send(f"hat:{hat}", "credit", parse_address(self.party).id, body=records, **options)

    async def release(self, debit: str, records: object, **options: Any) -> Outcome:
        """As a HAT: releases records under a debit."""
        return await self.send(self.party, "release", debit, body=records, **options)

    async def data(self, records: Records, **options: Any) -> Outcome:
        """As a HAT: one exchange for each active debit that selects any of these records."""
        return await self.send(self.party, "data", body=records, **options)

    async def pull(self, hat: str, debit: str, ask: Mapping[str, Any] | None = None, **options: Any) -> Outcome:
        """As a debit's client: asks the HAT for a release. The delivery that answers names the outcome's exchange."""
        return await self.send(f"hat:{hat}", "pull", debit, body=dict(ask or {}), **options)

    async def recall(self, hat: str, exchange: str, **options: Any) -> Outcome:
        """As who sent an exchange to or from this HAT: wants it back, until it is settled."""
        return await self.send(f"hat:{hat}", "recall", exchange, **options)

    async def connect_plug(self, plug: str, **options: Any) -> Outcome:
        """As a HAT: lets a plug write."""
        return await self.send(self.party, "plug-connect", plug, **options)

    async def disconnect_plug(self, plug: str, **options: Any) -> Outcome:
        """As a HAT: lets it write no more."""
        return await self.send(self.party, "plug-disconnect", plug, **options)

    async def propose_debit(self, hat: str, debit: str, terms: Mapping[str, Any], **options: Any) -> Outcome:
        """As a debit's client: proposes it to a HAT's owner. ``terms`` as docs/protocol.md §5.3 has them."""
        return await self.send(f"hat:{hat}", "debit-propose", debit, body=terms, **options)

    async def amend_debit(self, hat: str, debit: str, terms: Mapping[str, Any], **options: Any) -> Outcome:
        """As a debit's client: proposes other terms; the old ones stay in force until the owner accepts."""
        return await self.send(f"hat:{hat}", "debit-amend", debit, body=terms, **options)

    async def enable_debit(self, debit: str, *, revision: int | None = None, **options: Any) -> Outcome:
        """As a HAT: accepts a debit's newest revision; with ``revision`` only if it is that one (``conflict``)."""
        body = None if revision is None else {"revision": revision}
        return await self.send(self.party, "debit-enable", debit, body=body, **options)

    async def disable_debit(self, debit: str, *, at_period_end: bool = False, **options: Any) -> Outcome:
        """As a HAT: ends a debit, at once or at the end of its running period."""
        return await self.send(self.party, "debit-disable", debit, body={"atPeriodEnd": at_period_end}, **options)

    async def register(self, **profile: Any) -> Outcome:
        """Registers this party as what its kind is, signed with its own key; an operator approves it."""
        key = self._key.public_key if self._key else None
        return await self.send(self.party, "register", body={"key": key, **profile})

    async def report_job(self, hat: str, word: Mapping[str, Any], **options: Any) -> Outcome:
        """As a plug: says how a job of this HAT goes or has ended (docs/protocol.md §5.8). Acknowledge its message after it."""
        return await self.send(f"hat:{hat}", "job", parse_address(self.party).id, body=word, **options)

    def jobs(self) -> Jobs:
        """As a plug: its jobs, as they come; use it with ``async with``, and each job too."""
        return Jobs(self)

    async def receipt(self, receipt_to: str, receipt: Mapping[str, Any], **options: Any) -> Outcome:
        """Sends a receipt to the subject that a delivery, or a recall request, names."""
        return await self.send_on(receipt_to, receipt, **options)

    def inbox(
        self, topic: Topic = "all", *, durable: bool = True, only_new: bool = False, answer_within: float = 60.0
    ) -> Inbox:
        """Everything for this party, or one topic of it, verified.

        Durable: what was not answered comes again to the next inbox of this party and topic, for an hour; else the consumer
        is this inbox's alone. ``only_new``: only what comes from now on (a durable consumer that is there goes on where it
        was). A delivery that is not answered within ``answer_within`` seconds is brought and handed out again (a durable
        consumer that is there keeps its own time), unless its holder says that it is :meth:`Delivery.working`.
        """
        return Inbox(self, topic, durable, only_new, answer_within)

    def deliveries(self, *, durable: bool = True, only_new: bool = False, answer_within: float = 60.0) -> Deliveries:
        """Content for this party, verified, each delivery once until it is answered."""
        return Deliveries(Inbox(self, "deliveries", durable, only_new, answer_within))

    async def trust_bundle(self) -> tuple[TrustBundle, bytes]:
        """Asks for the trust bundle and checks it; the bytes are what to save for use without asking."""
        if self.trust.keys == "broker":
            raise DexError("this exchange signs nothing, so a trust bundle proves nothing")
        raw = canonical(await self.query("trust.bundle")).encode()
        return open_trust_bundle(raw, Root(self.trust.origin, self.trust.keys)), raw


def _judge(id: str, body: Any) -> Outcome:
    """The first outcome, or why there is none."""
    if not isinstance(body, dict):
        raise FormError("an outcome is a JSON object")
    if "exchange" not in body:
        if "reason" not in body:
            raise FormError("an answer that is neither outcome nor problem")
        raise Refused(id, body["reason"], body.get("detail"))
    return _taken(id, Outcome.read(body))


def _taken(id: str, outcome: Outcome) -> Outcome:
    """An outcome that is no refusal."""
    if outcome.status == "rejected":
        raise Refused(id, outcome.reason or "internal", None, outcome)
    return outcome


async def connect(
    url: str | list[str], party: str, key: SigningKey | None = None, *, dex_key: str | Sequence[str] | None = None,
    origin: str | None = None, call_seconds: float = 15.0, inbox_prefix: str = "_INBOX", **nats_options: Any,
) -> Client:
    """Connects to the exchange behind a broker, as one party.

    ``key``: without one the client can receive and ask, and send nothing. ``dex_key``: the exchange's key or keys, from its
    operator; if absent they are asked of the exchange at connect and kept, which proves nothing over an open connection.
    ``call_seconds``: how long a call waits for its first outcome or answer. ``inbox_prefix``: below ``_INBOX``, where the
    broker's permissions want it. All else goes to ``nats.connect``. Raises :class:`BrokerError` when the broker cannot be
    reached, :class:`NoAnswer` when no exchange answers behind it.
    """
    options = {"name": f"dex-client {party}", "max_reconnect_attempts": -1, "allow_reconnect": True, **nats_options}
    try:
        connection = await nats.connect(url, inbox_prefix=inbox_prefix.encode(), **options)
    except (nats.errors.Error, OSError, asyncio.TimeoutError) as error:
        raise BrokerError(f"cannot connect to {url}: {error}") from error
    wire = Wire(connection, inbox_prefix, call_seconds)
    try:
        await wire.open()
        given = [] if dex_key is None else [dex_key] if isinstance(dex_key, str) else list(dex_key)
        if origin is not None and given:
            return Client(wire, party, key, Trust(origin, given))
        health = await wire.query("health", {})
        if origin not in (None, health["origin"]):
            raise FormError(f"the exchange is {health['origin']}, not {origin}")
        # Who names a key wants signatures, whatever the exchange says of itself.
        unsigned = not given and health["signatures"] == "trusted-broker"
        return Client(wire, party, key, Trust(health["origin"], "broker" if unsigned else given or health["keys"]))
    except BaseException:
        await connection.close()
        raise
