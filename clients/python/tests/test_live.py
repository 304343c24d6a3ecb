"""Against a real exchange: keys, credit, debit, receipts, pull, recall, outcomes, queries, proofs, large content."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from dex_client import (
    ArgumentError, Bad, Client, Delivery, DexError, FormError, Inbox, KeyFault, NoOutcome, Outcome, Outcomes, ProofError,
    QueryRefused, Recall, Refused, Request, Root, SigningKey, connect, digest_of, leaf_hash, load_key, open_checkpoint, root_of,
    store_key, verify_outcome, Unverified,
)

from .harness import STEPS, Exchange, exchange, steps

T = TypeVar("T")


async def next_of(inbox: Inbox, kind: type[T]) -> T:
    """The next item of this kind; others are passed over."""
    async for item in inbox:
        if isinstance(item, Bad):
            raise item.error
        if isinstance(item, kind):
            return item
    raise AssertionError("the inbox ended")


async def settle(delivery: Delivery) -> Outcome | None:
    """Accepts; what other parts have left, and ended, is answered late."""
    try:
        return await delivery.accept()
    except Refused as refused:
        if refused.reason != "wrong-state":
            raise
        return None


class Live(unittest.IsolatedAsyncioTestCase):
    async def refused(self, reason: str, of: Any) -> Refused:
        with self.assertRaises(Refused) as raised:
            await of
        self.assertEqual(raised.exception.reason, reason)
        return raised.exception

    async def test_everything_but_debits(self) -> None:
        async with exchange() as running:
            bob, fitbit, _ = await running.cast()
            await self.key_files(running)
            await self.credit_and_proof(running, bob, fitbit)
            await self.repeats_and_refusals(bob, fitbit)
            await self.recall(bob, fitbit)
            await self.lost_consumer(bob, fitbit)
            await self.conclusion(bob, fitbit)
            await self.many(bob, fitbit)
            await self.bundle(running, fitbit)
            await self.large(running, bob)
            await self.other_key(running, fitbit)

    async def key_files(self, running: Exchange) -> None:
        made = await running.key("probe")
        self.assertEqual((await running.dex("keys", "show", str(running.path("probe.key")))).strip(), made.public_key)
        ours, path = SigningKey.generate(), running.path("ours.key")
        store_key(path, ours)
        self.assertEqual((await running.dex("keys", "show", str(path))).strip(), ours.public_key)
        with self.assertRaises(FileExistsError):
            store_key(path, made)
        path.chmod(0o644)
        with self.assertRaises(KeyFault):
            load_key(path)
        self.assertNotIn(ours.seed_text(), repr(ours))

    async def credit_and_proof(self, running: Exchange, bob: Client, fitbit: Client) -> None:
        sent = await fitbit.credit("bob.hubat.net", steps(9120), want_proof=True)
        self.assertEqual(sent.status, "accepted")
        root = Root(fitbit.trust.origin, fitbit.trust.keys)
        proved = verify_outcome(sent, root)
        self.assertEqual((proved.to, proved.entry.event, proved.entry.entity), ("plug:fitbit", "Opened", "hat:bob.hubat.net"))
        with self.assertRaises(ProofError):
            verify_outcome({**sent.raw, "status": "settled"}, root)
        async with bob.inbox() as inbox:
            delivery = await next_of(inbox, Delivery)
            self.assertEqual((delivery.id, delivery.source, delivery.authority, delivery.count), (sent.delivery, "plug:fitbit", "plug:fitbit", 1))
            self.assertEqual(delivery.records, steps(9120))
            self.assertEqual((await delivery.accept()).status, "settled")
            late = bob.receipt("dex.v1.in.hat.bob_hubat_net.receipt", delivery.receipt_of("accepted"))
            await self.refused("wrong-state", late)
        trace = await fitbit.query("exchange.trace", id=sent.exchange)
        self.assertEqual(trace["status"], "settled")
        proof = await fitbit.query("ledger.proof", leaf=trace["steps"][-1]["leaf"])
        found = root_of(leaf_hash(bytes.fromhex(proof["commitment"])), proof["leaf"], proof["treeSize"], [bytes.fromhex(it) for it in proof["path"]])
        self.assertEqual(open_checkpoint(proof["checkpoint"], root).root, found)
        running.path("outcome.json").write_text(json.dumps(sent.raw))
        said = await running.dex("verify", str(running.path("outcome.json")), "--dex-key", fitbit.trust.keys[0])
        self.assertIn("good: outcome of dex.test", said)

    async def repeats_and_refusals(self, bob: Client, fitbit: Client) -> None:
        id = fitbit.message_id()
        first = await fitbit.credit("bob.hubat.net", steps(2), id=id)
        self.assertEqual(await fitbit.credit("bob.hubat.net", steps(2), id=id), first)
        await self.refused("conflict", fitbit.credit("bob.hubat.net", steps(3), id=id))
        await self.refused("outside-namespace", fitbit.credit("bob.hubat.net", [{"endpoint": "facebook/feed", "data": 1}]))
        await self.refused("unknown-party", fitbit.credit("nobody.hubat.net", steps(1)))
        await self.refused("malformed", fitbit.send("hat:bob.hubat.net", "dance"))
        stranger = fitbit.speaking("plug:fitbit", SigningKey.generate())
        self.assertIsNone((await self.refused("bad-signature", stranger.credit("bob.hubat.net", steps(1)))).outcome)
        with self.assertRaises(QueryRefused) as raised:
            await fitbit.query("hat.show", hat="nobody.hubat.net")
        self.assertEqual(raised.exception.reason, "not-found")
        with self.assertRaises(ArgumentError):
            await fitbit.speaking("plug:fitbit").credit("bob.hubat.net", steps(1))

    async def recall(self, bob: Client, fitbit: Client) -> None:
        async with bob.inbox() as inbox:
            sent = await fitbit.credit("bob.hubat.net", steps(8))
            delivery = await next_of(inbox, Delivery)
            while delivery.id != sent.delivery:
                delivery = await next_of(inbox, Delivery)
            await fitbit.recall("bob.hubat.net", sent.exchange)
            recall = await next_of(inbox, Recall)
            self.assertEqual(recall.delivery, sent.delivery)
            self.assertEqual((await recall.answer(delivery.digest, delivery.count)).status, "recalled")

    async def lost_consumer(self, bob: Client, fitbit: Client) -> None:
        async with bob.inbox() as inbox:
            await fitbit.credit("bob.hubat.net", steps(20))
            await next_of(inbox, Delivery)
            await bob.wire.nats.jetstream().delete_consumer("DEX_OUT", "hat-bob_hubat_net")
            sent = await fitbit.credit("bob.hubat.net", steps(21))
            delivery = await next_of(inbox, Delivery)
            while delivery.id != sent.delivery:
                delivery = await next_of(inbox, Delivery)
            self.assertEqual((await delivery.accept()).status, "settled")

    async def conclusion(self, bob: Client, fitbit: Client) -> None:
        ends = asyncio.create_task(fitbit.conclude("hat:bob.hubat.net", "credit", "fitbit", body=steps(10), within=20))
        async with bob.deliveries() as deliveries:
            async for delivery in deliveries:
                await settle(delivery)
                if delivery.records == steps(10):
                    break
        ended = await ends
        self.assertEqual((ended.first.status, [last.status for last in ended.last]), ("accepted", ["settled"]))
        self.assertEqual(ended.last[0].exchange, ended.first.exchange)
        with self.assertRaises(NoOutcome):
            await fitbit.conclude("hat:bob.hubat.net", "credit", "fitbit", body=steps(11), within=1.5)

    async def many(self, bob: Client, fitbit: Client) -> None:
        deadline = datetime.now(timezone.utc) + timedelta(minutes=1)
        sending = asyncio.gather(*(fitbit.credit("bob.hubat.net", steps(1000 + n), deadline=deadline) for n in range(60)))
        wanted, receipts = {1000 + n for n in range(60)}, []
        seen: set[str] = set()
        async with bob.deliveries() as deliveries:
            async for delivery in deliveries:
                self.assertNotIn(delivery.id, seen)
                seen.add(delivery.id)
                wanted.discard(delivery.records[0]["data"]["steps"])
                receipts.append(asyncio.create_task(settle(delivery)))
                if not wanted:
                    break
            outcomes = [outcome for outcome in await asyncio.gather(*receipts) if outcome is not None]
        self.assertGreaterEqual(len([outcome for outcome in outcomes if outcome.final]), 60)
        self.assertEqual(len(await sending), 60)

    async def bundle(self, running: Exchange, fitbit: Client) -> None:
        bundle, raw = await fitbit.trust_bundle()
        self.assertIn("plug:fitbit", [party["party"] for party in bundle["parties"] if party["standing"] == "active"])
        running.path("bundle.json").write_bytes(raw)
        said = await running.dex("verify", str(running.path("bundle.json")), "--dex-key", fitbit.trust.keys[0])
        self.assertIn("good: trust bundle", said)

    async def large(self, running: Exchange, bob: Client) -> None:
        file = running.path("large.jsonl")
        lines = [json.dumps({"endpoint": "fitbit/steps", "data": {"n": n, "note": '{"[ ' + "x" * 1000}}) for n in range(700)]
        file.write_text("\n".join(lines))
        key = str(running.path("fitbit.key"))
        to = ("--to", "hat:bob.hubat.net", "--action", "credit.fitbit")
        await running.dex("--as", "plug:fitbit", "--key", key, "send", *to, "--body", f"@{file}")
        async with bob.deliveries() as deliveries:
            async for delivery in deliveries:
                if delivery.object is None:
                    await settle(delivery)
                    continue
                with self.assertRaisesRegex(DexError, "download"):
                    await delivery.accept()
                self.assertEqual(digest_of(await delivery.download()), digest_of(file.read_bytes()))
                with self.assertRaisesRegex(DexError, "more than 1000"):
                    await delivery.download(1000)
                self.assertEqual((await delivery.accept()).status, "settled")
                break

    async def other_key(self, running: Exchange, fitbit: Client) -> None:
        other = SigningKey.generate().public_key
        bob = await running.client("hat:bob.hubat.net", origin="dex.test", dex_key=other)
        async with bob.inbox(durable=False, only_new=True) as inbox:
            await fitbit.credit("bob.hubat.net", steps(12))
            async for item in inbox:
                if isinstance(item, Outcomes):
                    continue
                assert isinstance(item, Bad)
                self.assertEqual(item.error.fault, "key")
                break
        async with bob.deliveries(durable=False) as deliveries:
            with self.assertRaises(Unverified):
                await deliveries.__anext__()
        with self.assertRaises(FormError):
            await connect(running.url, "hat:bob.hubat.net", origin="dex.else")

    async def test_a_debit(self) -> None:
        async with exchange() as running:
            bob, _, acme = await running.cast()
            await acme.propose_debit("bob.hubat.net", "acme.steps", STEPS)
            await self.refused("debit-not-active", bob.release("acme.steps", steps(1)))
            await bob.enable_debit("acme.steps", revision=1)
            with self.assertRaises(Refused):
                await bob.enable_debit("acme.steps", revision=7)
            self.assertTrue((await acme.query("debit.show", hat="bob.hubat.net", debit="acme.steps"))["active"])
            async with acme.inbox() as inbox, bob.inbox() as asked:
                released = await bob.release("acme.steps", steps(4))
                first = await next_of(inbox, Delivery)
                self.assertEqual((first.id, first.authority, first.source), (released.delivery, "debit:acme.steps", "hat:bob.hubat.net"))
                self.assertEqual((await first.refuse("not needed")).status, "disputed")

                fanned = await bob.data([*steps(5), {"endpoint": "fitbit/heart", "data": {}}])
                self.assertEqual([part.debit for part in fanned.parts], ["acme.steps"])
                second = await next_of(inbox, Delivery)
                self.assertEqual(second.records, steps(5))
                self.assertIsNotNone(second.digest_in, "a bundle made another body of it")
                self.assertEqual((await second.accept()).status, "settled")

                pull = await acme.pull("bob.hubat.net", "acme.steps", {"limit": 1})
                request = await next_of(asked, Request)
                self.assertEqual((request.pull, request.debit, request.ask), (pull.exchange, "acme.steps", {"limit": 1}))
                await request.release([*steps(6), *steps(7)])
                answer = await next_of(inbox, Delivery)
                self.assertEqual((answer.pull, answer.count), (pull.exchange, 1))
                await answer.accept()
            await bob.disable_debit("acme.steps")
            await self.refused("debit-ended", bob.release("acme.steps", steps(1)))

    async def test_the_quick_start_and_a_stop_of_the_exchange(self) -> None:
        async with exchange() as running:
            _, fitbit, _ = await running.cast()
            package = Path(__file__).resolve().parents[1]
            readme = (package / "README.md").read_text(encoding="utf-8")
            code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
            assert code is not None
            self.assertLessEqual(len(code[1].strip().splitlines()), 10)
            self.assertIn("nats://127.0.0.1:4222", code[1])
            run = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code[1].replace("nats://127.0.0.1:4222", running.url), cwd=running.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await asyncio.wait_for(run.communicate(), 60)
            self.assertRegex(out.decode(), r"plug:fitbit \[.*settled")

            # Nobody works on it while the daemon is stopped; the broker is its child and is there.
            os.kill(running.daemon.pid, signal.SIGSTOP)
            sent = asyncio.create_task(fitbit.credit("bob.hubat.net", steps(1), wait=30))
            with self.assertRaises(NoOutcome) as raised:
                await fitbit.credit("bob.hubat.net", steps(2), wait=1)
            self.assertTrue(raised.exception.stored)
            os.kill(running.daemon.pid, signal.SIGCONT)
            self.assertEqual((await sent).status, "accepted")


if __name__ == "__main__":
    unittest.main()
