"""Against a real exchange: what an inbox hands out again, what it does not, and an outcome that is none."""

from __future__ import annotations

import asyncio
import json
import time
import unittest

from dex_client import Bad, Client, Delivery, NoOutcome, Outcomes

from .harness import exchange, steps


class InboxTests(unittest.IsolatedAsyncioTestCase):
    async def test_deliveries_and_malformed_outcomes(self) -> None:
        async with exchange() as running:
            bob, fitbit, _ = await running.cast()
            await self.left_unanswered(bob, fitbit)
            await self.left_by_who_died(bob, fitbit)
            await self.in_hand(bob, fitbit)
            await self.malformed_outcomes(fitbit)

    async def left_unanswered(self, bob: Client, fitbit: Client) -> None:
        """A handler that raises and goes on with the next one gets it again; one that lets it go at once, sooner."""
        async with bob.deliveries(durable=False, only_new=True, answer_within=1.5) as deliveries:
            sent = await fitbit.credit("bob.hubat.net", steps(1))
            first = await deliveries.__anext__()  # its handler fails, and says nothing
            again = await asyncio.wait_for(deliveries.__anext__(), 10)
            self.assertEqual((first.id, again.id), (sent.delivery, sent.delivery))
            with self.assertRaisesRegex(RuntimeError, "its disk is full"):
                async with again:
                    raise RuntimeError("its disk is full")
            third = await asyncio.wait_for(deliveries.__anext__(), 10)
            async with third:
                self.assertEqual((await third.accept()).status, "settled")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(deliveries.__anext__(), 2.5)

    async def left_by_who_died(self, bob: Client, fitbit: Client) -> None:
        async def one() -> Delivery:
            async with bob.deliveries(answer_within=1.5) as deliveries:
                async for delivery in deliveries:
                    if delivery.id == sent.delivery:
                        break
                    await delivery.ignore()
            return delivery

        sent = await fitbit.credit("bob.hubat.net", steps(2))
        await one()  # and nothing of it is known to the next one
        delivery = await asyncio.wait_for(one(), 10)
        self.assertEqual((await delivery.accept()).status, "settled")

    async def in_hand(self, bob: Client, fitbit: Client) -> None:
        """Work that takes longer than the broker waits: nobody else gets it meanwhile."""
        async with bob.deliveries(durable=False, only_new=True, answer_within=1) as deliveries:
            sent = await fitbit.credit("bob.hubat.net", steps(3))
            delivery = await deliveries.__anext__()
            self.assertEqual(delivery.id, sent.delivery)
            following = asyncio.create_task(deliveries.__anext__())
            async with delivery:
                await asyncio.sleep(3)
                self.assertFalse(following.done(), "it was handed out twice at the same time")
                self.assertEqual((await delivery.accept()).status, "settled")
            next_one = await fitbit.credit("bob.hubat.net", steps(4))
            self.assertEqual((await asyncio.wait_for(following, 10)).id, next_one.delivery)

    async def malformed_outcomes(self, fitbit: Client) -> None:
        subject = "dex.v1.out.plug.fitbit.outcome"
        streams = fitbit.wire.nats.jetstream()
        async with fitbit.inbox("outcomes", durable=False, only_new=True, answer_within=1) as inbox:
            good = (await fitbit.credit("bob.hubat.net", steps(5))).raw
            first = await inbox.__anext__()
            assert isinstance(first, Outcomes)
            mixed = await streams.publish(subject, json.dumps([good, {**good, "status": "danced"}, good]).encode())
            told = await inbox.__anext__()
            assert isinstance(told, Outcomes)
            self.assertEqual([it.exchange for it in told.outcomes], [good["exchange"]] * 2, "the good ones are not lost")
            bad = await inbox.__anext__()
            assert isinstance(bad, Bad)
            self.assertEqual((bad.sequence, bad.error.subject, bad.error.fault), (mixed.seq, subject, "body"))
            self.assertRegex(bad.error.why, "^outcome 2 of 3: .*status")
            for body in (b"{", b"[7]"):
                await streams.publish(subject, body)
                self.assertIsInstance(await inbox.__anext__(), Bad)
            await asyncio.sleep(1.5)  # none of them is brought again, and what follows comes
            sent = await fitbit.credit("bob.hubat.net", steps(6))
            after = await inbox.__anext__()
            assert isinstance(after, Outcomes)
            self.assertEqual(after.outcomes[0].exchange, sent.exchange)
        began = time.monotonic()
        waiting = asyncio.create_task(fitbit.conclude("hat:bob.hubat.net", "credit", "fitbit", body=steps(7), within=3))
        await asyncio.sleep(1)
        await streams.publish(subject, b"[7]")
        with self.assertRaises(NoOutcome) as raised:
            await waiting
        self.assertLess(time.monotonic() - began, 10)
        self.assertIn("outcome 1 of 1", str(raised.exception.__cause__))


if __name__ == "__main__":
    unittest.main()
