"""Content that came, with the answers that its recipient can give."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import nats.errors
from nats.aio.msg import Msg

from .address import check_id
from .errors import DexError, Refused, Unverified
from .held import Held
from .large import Content, content_of, download, object_of, writer_of
from .outcome import Outcome
from .received import Received
from .seen import Hold, Seen

if TYPE_CHECKING:
    from .client import Client

Verdict = Literal["accepted", "refused", "returned"]
# Refusals of a receipt that pass: it leaves again then, as another message.
_PASSING = ("over-quota", "stale", "internal", "suspended")


def _authority(value: str) -> str:
    kind, _, id = value.partition(":")
    if kind not in ("plug", "app", "debit"):
        raise ValueError("is no authority")
    check_id(id)
    return value


def _count(value: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", value):
        raise ValueError("is no number")
    return int(value)


class Delivery(Held):
    """A verified delivery in hand. Without an answer it comes again, until its deadline.

    It is nobody else's for as long as the broker waits (``answer_within``), counted anew by :meth:`working`, and while its
    answer is under way. Inside ``async with delivery:`` it is held for as long as the block takes; when that ends without an
    answer, as by an exception, it comes again after a second.
    """

    def __init__(self, received: Received, client: Client, message: Msg, seen: Seen, hold: Hold) -> None:
        self.id = received.id
        """Apply each once, by this id."""
        self.source = received.address("Dex-Source")
        """Who sent the records, or its pseudonym."""
        self.authority = received.field("Dex-Authority", _authority)
        """The right under which it moved: ``plug:<id>``, ``app:<id>`` or ``debit:<id>``."""
        self.deadline = received.field("Dex-Deadline", str)
        """A receipt after this changes nothing. RFC 3339."""
        self.digest = received.digest
        """SHA-256 of the body, hex, computed here."""
        self.digest_in = received.headers.get("Dex-Digest-In")
        """SHA-256 of the body that was sent, when a debit's bundle made another one of it."""
        self.pull = received.headers.get("Dex-Pull")
        """The id of your own pull, when it answers one."""
        self.body = received.body
        """The records' bytes, as they came."""
        self.object = object_of(received)
        """Where large content lies: :meth:`download` it. None where the body is the records."""
        self._receipt_to = received.receipt_to()
        self._came: Content | None = None if self.object else content_of(received.body)
        said = received.field("Dex-Count", _count)
        self.count = self._came.count if self._came else said
        """Records in it, counted here; of large content as the exchange says."""
        if self.count != said:
            raise Unverified(received.subject, "body", f"the body has {self.count} records, Dex-Count says {said}")
        self._received, self._client, self._message, self._seen, self._hold = received, client, message, seen, hold

    async def _left(self) -> None:
        if not self._seen.is_answered(self.id):
            await self.release()

    def __repr__(self) -> str:
        return f"Delivery({self.id}, {self.count} records)"  # without the content, which belongs to no log

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records. Of large content :meth:`download` gives them."""
        if self.object:
            raise DexError("this content is large: download it")
        body = self._received.json()
        return body if isinstance(body, list) else [body]

    async def download(self, max_bytes: int = 64 << 20) -> bytes:
        """Reads large content whole into memory, and checks size, digest and count; more than ``max_bytes`` are refused."""
        if self.object is None:
            return self.body
        if self.object.size > max_bytes:
            raise DexError(f"the content has {self.object.size} bytes, more than {max_bytes}")
        body = bytearray()
        await self.download_to(body.extend)
        return bytes(body)

    async def download_to(self, to: BinaryIO | Callable[[bytes], Awaitable[object] | object]) -> None:
        """Reads large content piece by piece into a file, or a function, a few chunks in memory at a time.

        Nothing of it may be used before this has gone well: then size, digest and count are as they should be. What came
        until an error is rubbish. The delivery is held meanwhile.
        """
        write = writer_of(to)
        if self.object is None:
            await write(self.body)
            return
        async with self._kept():
            self._came = await download(self._client.wire.nats, self._client.party, self.object, write)

    async def _keep(self) -> None:
        # It may have been in hand for long.
        pause = 0.0 if self._seen.left(self._hold) < self._seen.seconds / 2 else self._seen.seconds / 3
        while True:
            await asyncio.sleep(pause)
            with contextlib.suppress(nats.errors.Error):  # the broker is away: the next time
                await self.working()
            pause = self._seen.seconds / 3

    async def working(self) -> None:
        """The broker brings it again later than it would: for work that takes longer than ``answer_within``."""
        self._seen.renew(self._hold)
        await self._message.in_progress()

    async def accept(self) -> Outcome:
        """Kept: store the records first, then say so. Waits until the exchange has the receipt in its ledger.

        Raises :class:`Refused` with the reason ``wrong-state`` when the exchange has ended before.
        """
        if self._came is None:
            raise DexError("download large content before you accept it")
        return await self.answer(self.receipt_of("accepted"))

    async def refuse(self, reason: str) -> Outcome:
        """Not wanted: the exchange becomes disputed. ``reason`` is for people, 1-256 bytes."""
        return await self.answer(self.receipt_of("refused", reason))

    async def give_back(self) -> Outcome:
        """Given back, after a recall request: nothing of it was kept."""
        return await self.answer(self.receipt_of("returned"))

    def receipt_of(self, verdict: Verdict, reason: str | None = None) -> dict[str, Any]:
        """The receipt over what came: digest and count of the body itself, not of its headers."""
        came = self._came or content_of(b"")
        receipt = {"delivery": self.id, "digest": came.digest, "count": came.count, "verdict": verdict}
        return receipt if reason is None else {**receipt, "reason": reason}

    async def answer(self, receipt: dict[str, Any]) -> Outcome:
        """Answers with this receipt, whatever it says.

        The same receipt, given again because no outcome came, leaves under the same id again. A receipt that is refused
        without an outcome, as for a wrong key, answers nothing: the delivery comes again.
        """
        id = self._seen.receipt(receipt, self._client.message_id)
        self._seen.answering(self._hold)
        try:
            outcome = await self._client.receipt(self._receipt_to, receipt, id=id)
        except Refused as refused:
            passing = refused.reason in _PASSING
            if passing:
                self._seen.refused(self.id)
            await (self.release() if passing or refused.outcome is None else self.ignore())
            raise
        except Exception:
            await self.release()
            raise
        except BaseException:  # cancelled: the broker brings it again by itself
            self._seen.given_up(self._hold)
            raise
        await self.ignore()
        return outcome

    async def ignore(self) -> None:
        """Says nothing: the exchange expires at its deadline, and the broker need not bring it again."""
        self._seen.answered(self.id)
        with contextlib.suppress(nats.errors.Error):  # it comes again, and is seen to be answered then
            await self._message.ack()

    async def release(self) -> None:
        """Gives it up: the broker brings it again."""
        self._seen.given_up(self._hold)
        with contextlib.suppress(nats.errors.Error):  # it comes again later then, by itself
            await self._message.nak(delay=1)
