"""A delivery without an exchange: which refusals of a receipt answer it, and that it is held while it is downloaded."""

from __future__ import annotations

import asyncio
import json
import unittest
from types import SimpleNamespace
from typing import Any, cast, get_args

from nats.aio.msg import Msg

from dex_client import Delivery, Outcome, Refused, digest_of
from dex_client.errors import Reason
from dex_client.received import Received
from dex_client.seen import Hold, Seen

ID = "019b76da-a800-8222-9222-222222222222"
RECORD = b'{"endpoint":"fitbit/steps","data":{"steps":1}}'
OUTCOME = Outcome.read({
    "exchange": ID, "status": "rejected", "reason": "wrong-state", "digestIn": "", "count": 0, "at": "2026-01-31T12:00:00Z",
    "leaf": {"log": "dex.test", "index": 1}, "treeSize": 2,
})


class Message:
    """What the broker is told of a delivery."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def ack(self) -> None:
        self.told.append("ack")

    async def nak(self, delay: float) -> None:
        self.told.append(f"nak {delay}")

    async def in_progress(self) -> None:
        self.told.append("working")


def delivery(seen: Seen, body: bytes, client: object) -> tuple[Delivery, Message]:
    """A delivery in hand, of an inbox and a client that are given."""
    hold, message = seen.came(ID), Message()
    assert isinstance(hold, Hold), hold
    headers = {
        "Dex-Source": "plug:fitbit", "Dex-Authority": "plug:fitbit", "Dex-Deadline": "2026-02-01T00:00:00Z", "Dex-Count": "1",
        "Dex-Receipt-To": "dex.v1.in.hat.bob_hubat_net.receipt",
    }
    received = Received(ID, "dex.v1.out.hat.bob_hubat_net.delivery", body, digest_of(body), headers)
    return Delivery(received, cast(Any, client), cast(Any, message), seen, hold), message


class DeliveryTests(unittest.IsolatedAsyncioTestCase):
    async def test_only_a_refusal_with_an_outcome_answers_a_delivery(self) -> None:
        seen, ids = Seen(), list[str]()

        async def answered(reason: str, ledgered: bool) -> str:
            assert reason in get_args(Reason)

            async def receipt(to: str, receipt: object, *, id: str) -> Outcome:
                ids.append(id)
                raise Refused(ID, cast(Reason, reason), None, OUTCOME if ledgered else None)

            client = SimpleNamespace(message_id=lambda: f"id {len(ids)}", receipt=receipt)
            it, message = delivery(seen, RECORD, client)
            with self.assertRaises(Refused):
                async with it:
                    await it.accept()
            return message.told[0]

        # It comes again, and the same receipt is the same message, for the exchange knows nothing of it.
        for reason in ("bad-signature", "revoked-key", "unknown-party"):
            self.assertEqual(await answered(reason, False), "nak 1", reason)
        self.assertEqual(ids, ["id 0"] * 3)
        # What passes comes again too, and then another message leaves.
        for reason in ("over-quota", "internal"):
            self.assertEqual(await answered(reason, True), "nak 1", reason)
        self.assertEqual(ids[3:], ["id 0", "id 4"])
        self.assertFalse(seen.is_answered(ID))
        self.assertEqual(await answered("wrong-state", True), "ack")
        self.assertTrue(seen.is_answered(ID))

    async def test_it_is_held_while_a_chunk_or_who_writes_it_lets_wait(self) -> None:
        for slow in ("chunk", "write"):
            async def request(subject: str, payload: bytes, timeout: float) -> Msg:
                await asyncio.sleep(1.5 if slow == "chunk" else 0)
                return Msg(cast(Any, None), data=RECORD)

            async def write(piece: bytes) -> None:
                await asyncio.sleep(1.5 if slow == "write" else 0)

            seen = Seen(0.6)
            found = {"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "size": len(RECORD), "digest": digest_of(RECORD), "count": 1, "chunks": 1}
            client = SimpleNamespace(party="hat:bob.hubat.net", wire=SimpleNamespace(nats=SimpleNamespace(request=request)))
            it, message = delivery(seen, json.dumps({"object": found}).encode(), client)
            await asyncio.sleep(0.45)  # it was in hand for long
            download = asyncio.create_task(it.download_to(write))
            while not download.done():
                self.assertNotIsInstance(seen.came(ID), Hold, f"another got it while a {slow} was waited for")
                await asyncio.sleep(0.01)
            await download
            times = len(message.told)
            self.assertGreaterEqual(times, 5)
            await asyncio.sleep(0.65)
            self.assertEqual(len(message.told), times, "it is not held any more")
            self.assertIsInstance(seen.came(ID), Hold)


if __name__ == "__main__":
    unittest.main()
