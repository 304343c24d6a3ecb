"""Content that came, with the answers that its recipient can give."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from nats.aio.msg import Msg

from .address import check_id
from .errors import DexError, Refused, Unverified
from .large import Content, content_of, download, object_of
from .outcome import Outcome
from .received import Received
from .seen import Seen

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


class Delivery:
    """A verified delivery in hand. Without an answer it comes again, until its deadline."""

    def __init__(self, received: Received, client: Client, message: Msg, seen: Seen) -> None:
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
        self._received, self._client, self._message, self._seen = received, client, message, seen

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
        self._came = await download(self._client.wire.nats, self._client.party, self.object, max_bytes)
        return self._came.body

    async def working(self) -> None:
        """The broker brings it again later than it would: for work that takes longer than ``answer_within``."""
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

        The same receipt, given again because no outcome came, leaves under the same id again.
        """
        id = self._seen.receipt(receipt, self._client.message_id)
        try:
            outcome = await self._client.receipt(self._receipt_to, receipt, id=id)
        except Refused as refused:
            if refused.reason in _PASSING:
                self._seen.refused(self.id)
                await self.release()
            else:
                await self.ignore()
            raise
        except Exception:
            await self.release()
            raise
        await self.ignore()
        return outcome

    async def ignore(self) -> None:
        """Says nothing: the exchange expires at its deadline, and the broker need not bring it again."""
        self._seen.answered(self.id)
        await self._message.ack()

    async def release(self) -> None:
        """Gives it up: the broker brings it again."""
        self._seen.given_up(self.id)
        await self._message.nak(delay=1)
