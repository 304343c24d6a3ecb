"""A job without an exchange: which words are said again, when it leaves the queue, and under which lease."""

from __future__ import annotations

import asyncio
import json
import math
import unittest
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast, get_args
from unittest import mock

from dex_client import Job, Outcome, Refused, Unverified, worker
from dex_client.errors import Reason
from dex_client.received import Received

ID = "019b76da-a800-8111-9111-111111111105"
SETTLED = Outcome.read({
    "exchange": ID, "status": "settled", "digestIn": "", "count": 0, "at": "2026-01-31T12:00:00Z",
    "leaf": {"log": "dex.test", "index": 1}, "treeSize": 2,
})


def refusal(reason: str, ledgered: bool = True) -> Refused:
    """Refused with an outcome, or by a problem."""
    assert reason in get_args(Reason)
    return Refused(ID, cast(Reason, reason), None, SETTLED if ledgered else None)


class Broker:
    """The exchange and the broker of one job: what each was told."""

    def __init__(self, says: Sequence[Refused] = (), lasts: float = 3600.0) -> None:
        self.says, self.words, self.told = list(says), list[Any](), list[str]()
        self.metadata = SimpleNamespace(num_delivered=1)
        self._ends_at = datetime.now(timezone.utc) + timedelta(seconds=lasts)

    def job(self, waits: float = 120.0, lease: Any = 120) -> Job:
        body = {
            "job": ID, "hat": "bob.hubat.net", "plug": "band", "endpoint": "steps", "attempt": 1, "leaseSeconds": lease,
            "plannedAt": "2026-01-31T12:00:00Z", "endsAt": self._ends_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        received = Received(ID, "dex.v1.job.band", json.dumps(body).encode(), "", {})
        return Job(received, cast(Any, self), cast(Any, self), waits)

    async def report_job(self, hat: str, word: dict[str, Any]) -> Outcome:
        self.words.append(word)
        if self.says:
            raise self.says.pop(0)
        return SETTLED

    async def ack(self) -> None:
        self.told.append("ack")

    async def nak(self, delay: float | None) -> None:
        self.told.append(f"nak {delay}")

    async def in_progress(self) -> None:
        self.told.append("working")


class WorkerTests(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        for name, seconds in (("_AGAIN", 0.01), ("_AGAIN_MAX", 0.02)):
            patch = mock.patch.object(worker, name, seconds)
            patch.start()
            self.addCleanup(patch.stop)

    async def test_a_word_that_the_exchange_cannot_take_now_is_said_again(self) -> None:
        quotas = ("over-quota", "recipient-over-quota", "over-quota", "over-quota", "over-quota", "over-quota")
        broker = Broker([refusal(reason) for reason in quotas])
        async with broker.job() as job:
            self.assertIs(await job.done("page 2"), SETTLED)
        self.assertEqual(broker.words, [{"job": ID, "status": "done", "continuation": "page 2"}] * 7)
        self.assertEqual(broker.told, ["ack"])
        for reason in ("internal", "stale", "conflict"):
            broker = Broker([refusal(reason, ledgered=False)])
            self.assertIs(await broker.job().failed("network"), SETTLED)
            self.assertEqual((len(broker.words), broker.told), (2, ["ack"]), reason)
            broker = Broker([refusal(reason)] * 9)
            with self.assertRaises(Refused):
                async with broker.job() as job:
                    await job.done("page 2")
            self.assertEqual((len(broker.words), broker.told), (4, ["nak 2.0"]), "another one goes on with it")
        broker = Broker([refusal("over-quota")])
        self.assertIs(await broker.job().progress("page 2"), SETTLED)
        self.assertEqual((len(broker.words), broker.told), (2, []))

    async def test_the_lease_is_kept_while_a_word_is_said_again(self) -> None:
        broker = Broker([refusal("over-quota")])
        with mock.patch.object(worker, "_AGAIN", 0.6):
            await broker.job(waits=1.0).done()
        self.assertEqual(broker.told, ["working", "ack"])

    async def test_only_an_outcome_or_its_end_takes_a_job_off_the_queue(self) -> None:
        cases = [(reason, False, "nak 2.0") for reason in ("bad-signature", "revoked-key", "unknown-party", "malformed")]
        cases += [(reason, True, "ack") for reason in ("wrong-state", "not-connected", "suspended")]
        for reason, ledgered, told in cases:
            broker = Broker([refusal(reason, ledgered)])
            with self.assertRaises(Refused):
                async with broker.job() as job:
                    await job.done()
            self.assertEqual((len(broker.words), broker.told), (1, [told]), reason)
        broker = Broker([refusal("over-quota")] * 100, lasts=0.1)
        with self.assertRaises(Refused):
            await broker.job().done()
        self.assertGreater(len(broker.words), 1)
        self.assertEqual(broker.told, ["ack"])

    async def test_the_shorter_lease_holds_the_jobs_or_the_consumers(self) -> None:
        broker = Broker()
        self.assertEqual([broker.job(waits=waits).lease_seconds for waits in (300.0, math.inf, 9.0, 0.1)], [120, 120, 9, 1])
        async with broker.job(waits=1.0):
            await asyncio.sleep(0.5)
        self.assertEqual(broker.told, ["working", "nak 2.0"])
        with self.assertRaises(Unverified):
            broker.job(lease="long")


if __name__ == "__main__":
    unittest.main()
