"""Against a real exchange: large content sent as a credit, a release, to all debits, and in answer to a pull."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import unittest
from collections.abc import AsyncIterator
from typing import Any

from dex_client import Client, Deliveries, Delivery, Refused, Request, Root, digest_of, verify_outcome

from .harness import STEPS, Exchange, exchange

LINES = [json.dumps({"endpoint": "fitbit/steps", "data": {"n": n, "note": '{"[ ' + "x" * 1000}}) for n in range(700)]
BODY = "\n".join(LINES).encode()
DIGEST = digest_of(BODY)


async def of(deliveries: Deliveries, delivery: str | None) -> Delivery:
    """The delivery with this id; others are passed over."""
    while (found := await asyncio.wait_for(deliveries.__anext__(), 30)).id != delivery:
        await found.ignore()
    return found


class LargeLive(unittest.IsolatedAsyncioTestCase):
    async def test_large_content_both_ways(self) -> None:
        async with exchange() as running:
            bob, fitbit, acme = await running.cast()
            await self.credit(running, bob, fitbit)
            await self.refusals(fitbit)
            await acme.propose_debit("bob.hubat.net", "acme.steps", STEPS)
            await bob.enable_debit("acme.steps")
            await self.release_and_data(bob, acme)
            await self.pull(bob, acme)

    async def credit(self, running: Exchange, bob: Client, fitbit: Client) -> None:
        file = running.path("large.jsonl")
        file.write_bytes(BODY)
        async with bob.deliveries(durable=False, only_new=True) as deliveries:
            with file.open("rb") as content:
                sent = await fitbit.credit_large("bob.hubat.net", content)
            self.assertEqual((sent.status, sent.digest_in, sent.digest_out, sent.count), ("accepted", DIGEST, DIGEST, 700))
            delivery = await of(deliveries, sent.delivery)
            copy = running.path("copy.jsonl")
            with copy.open("wb") as to:
                await delivery.download_to(to)
            self.assertEqual(copy.read_bytes(), BODY, "byte for byte")
            self.assertEqual((await delivery.accept()).status, "settled")

    async def refusals(self, fitbit: Client) -> None:
        async def refused(reason: str, by: str, **change: Any) -> None:
            with self.assertRaises(Refused) as raised:
                changed = dataclasses.replace(await fitbit.upload(BODY), **change)
                await fitbit.send_object("hat:bob.hubat.net", "credit", by, object=changed)
            self.assertEqual(raised.exception.reason, reason)

        await refused("digest-mismatch", "fitbit", digest="0" * 64)
        await refused("count-mismatch", "fitbit", count=699)
        await refused("not-found", "fitbit", id="0f8fad5b-d9cb-469f-a165-70867728950e")
        await refused("not-permitted", "other")

    async def release_and_data(self, bob: Client, acme: Client) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for line in LINES:
                yield line.encode() + b"\n"

        records = [json.loads(line) for line in LINES]
        async with acme.deliveries(durable=False, only_new=True) as deliveries:
            released = await bob.release_large("acme.steps", pieces())
            self.assertEqual((released.status, released.count), ("accepted", 700))
            delivery = await of(deliveries, released.delivery)
            self.assertEqual(json.loads(await delivery.download()), records)
            self.assertEqual((await delivery.accept()).status, "settled")

            fanned = await bob.data_large(BODY)
            self.assertEqual((fanned.status, [part.debit for part in fanned.parts]), ("accepted", ["acme.steps"]))
            delivery = await deliveries.__anext__()
            self.assertEqual(json.loads(await delivery.download()), records)
            await delivery.accept()

            # The parts are known only once it was fetched; their ends are waited for.
            uploaded = (await bob.upload(BODY)).reference
            ends = asyncio.create_task(bob.conclude(bob.party, "data", body=uploaded, within=30, want_proof=True))
            delivery = await deliveries.__anext__()
            await delivery.download()
            await delivery.accept()
            ended = await ends
            self.assertEqual((ended.first.status, [it.status for it in ended.last]), ("pending", ["settled"]))
            proved = verify_outcome(ended.first, Root("dex.test", bob.trust.keys))
            self.assertEqual((proved.entry.event, proved.entry.fields["debits"]), ("Fetching", ["acme.steps"]))

    async def pull(self, bob: Client, acme: Client) -> None:
        async with acme.deliveries(durable=False, only_new=True) as deliveries, bob.inbox(durable=False, only_new=True) as asked:
            pull = await acme.pull("bob.hubat.net", "acme.steps")
            async for item in asked:
                if isinstance(item, Request):
                    await item.release_large(BODY)
                    break
            delivery = await deliveries.__anext__()
            self.assertEqual((delivery.pull, delivery.count), (pull.exchange, 700))
            await delivery.download()
            self.assertEqual((await delivery.accept()).status, "settled")


if __name__ == "__main__":
    unittest.main()
