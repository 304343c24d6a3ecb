"""Jobs of a plug against a real exchange: taken, kept, left to another, gone on with, ended."""

from __future__ import annotations

import asyncio
import unittest

from dex_client import Delivery, Job, Jobs, Refused, SigningKey, Unverified

from .harness import exchange

MANIFEST = {
    "description": "Reads what a wristband counts.", "url": "https://band.plug.example", "endpoints": [{"name": "steps"}],
    "jobs": {"leaseSeconds": 10, "perMinute": 6000},
}


async def next_of(jobs: Jobs) -> Job:
    return await asyncio.wait_for(jobs.__anext__(), 40)


class JobTests(unittest.IsolatedAsyncioTestCase):
    async def test_a_worker(self) -> None:
        async with exchange() as running:
            bob, _, _ = await running.cast()
            operator, plug = await running.client("operator:main"), await running.client("plug:band")
            await plug.register(name="Band", namespace="band", manifest=MANIFEST)
            await operator.send("plug:band", "approve", body={"key": (await running.key("band")).public_key})
            await bob.connect_plug("band")
            strangers, jobs, others = plug.speaking("plug:band", SigningKey.generate()).jobs(), plug.jobs(), plug.jobs()
            waiting = asyncio.create_task(next_of(strangers))  # there is no consumer yet
            await asyncio.sleep(0.5)
            await bob.send("hat:bob.hubat.net", "job", "band", body={"status": "wanted", "endpoint": "steps"})
            stranger = await waiting
            self.assertEqual((stranger.hat, stranger.plug, stranger.endpoint), ("bob.hubat.net", "band", "steps"))
            self.assertEqual((stranger.times, stranger.lease_seconds), (1, 10))

            # Who has a wrong key does not take it off the queue.
            with self.assertRaises(Refused) as unknown:
                async with stranger:
                    await stranger.done("nowhere")
            self.assertIsNone(unknown.exception.outcome)
            await strangers.close()
            # The consumer may wait for less than the job says.
            streams = plug.wire.nats.jetstream()
            config = (await streams.consumer_info("DEX_JOBS", "plug_band")).config
            await streams.add_consumer("DEX_JOBS", config.evolve(ack_wait=3.0))
            job = await next_of(jobs)
            self.assertEqual((job.id, job.times, job.continuation, job.lease_seconds), (stranger.id, 2, None, 3))

            # It is kept for longer than the lease; nobody else gets it.
            other = asyncio.create_task(next_of(others))
            with self.assertRaises(RuntimeError):
                async with job:
                    records = [job.record("day-1", {"steps": 1042})]
                    first = await job.credit(records)
                    self.assertEqual((await job.credit(records)).exchange, first.exchange, "the same page is the same exchange")
                    self.assertEqual((await job.progress("page 2", records=1)).status, "settled")
                    await asyncio.sleep(12)
                    self.assertFalse(other.done())
                    raise RuntimeError("it dies")
            again = await asyncio.wait_for(other, 5)
            self.assertEqual((again.id, again.times, again.continuation), (job.id, 3, "page 2"))
            async with again:
                self.assertEqual((await again.done("day 1", records=1)).status, "settled")
            with self.assertRaises(Refused) as raised:
                await job.failed("internal")
            self.assertEqual(raised.exception.reason, "wrong-state")
            told = await plug.query("plug.jobs", plug="band", hat="bob.hubat.net")
            self.assertEqual([(it["continuation"], it.get("job")) for it in told["items"]], [("day 1", None)])

            async with bob.deliveries() as deliveries:
                async for delivery in deliveries:
                    assert isinstance(delivery, Delivery)
                    self.assertEqual(delivery.records, records)
                    await delivery.accept()
                    break

            await plug.wire.nats.jetstream().publish("dex.v1.job.band", b"{}")
            with self.assertRaises(Unverified):
                await next_of(jobs)
            for taken in (jobs, others):
                await taken.close()
            info = await plug.wire.nats.jetstream().consumer_info("DEX_JOBS", "plug_band")
            self.assertEqual((info.num_ack_pending, info.num_pending), (0, 0), "nothing is left in the queue")


if __name__ == "__main__":
    unittest.main()
