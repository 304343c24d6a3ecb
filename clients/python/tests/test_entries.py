"""Outcomes that follow from entries, written out by hand; tests/vectors has such entries as `effects_of` in src/domain/effect.rs tells them."""

from __future__ import annotations

import unittest
import uuid
from typing import Any

import ormsgpack

from dex_client import read_entry
from dex_client.entry import told_by

A, B, C, D = (uuid.UUID(f"019b76da-a800-7111-9111-1111111111{n:02x}") for n in range(4))
DIGESTS = [bytes([n]) * 32 for n in range(4)]
CAUSE = {"id": A.bytes, "from": "hat:bob.hubat.net", "body": DIGESTS[1]}
OBJECT = {"id": D.bytes, "size": 600_000, "digest": DIGESTS[2], "count": 9, "chunks": 5}
FETCHING = {"exchange": A.bytes, "from": "hat:bob.hubat.net", "delivery": B.bytes, "object": OBJECT}
CLOSED = {"exchange": A.bytes, "from": "hat:bob.hubat.net", "delivery": B.bytes, "digest_in": DIGESTS[2], "digest_out": DIGESTS[3], "count": 9}


def told(event: dict[str, Any], cause: dict[str, Any] | None = None, entity: str = "hat:bob.hubat.net") -> list[tuple[str, dict[str, Any]]]:
    raw = {"v": 1, "entity": entity, "n": 1, "at": 5, "event": event, **({} if cause is None else {"cause": cause})}
    return [(it.to, dict(it.outcome)) for it in told_by(read_entry(ormsgpack.packb(raw)))]


class Entries(unittest.TestCase):
    def test_large_content_for_all_debits(self) -> None:
        begun = {"exchange": str(A), "status": "pending", "digestIn": DIGESTS[2].hex(), "count": 9}
        self.assertEqual(told({"Fetching": {**FETCHING, "debits": ["acme.steps"]}}, CAUSE), [("hat:bob.hubat.net", begun)])
        one = {**begun, "delivery": str(B)}
        self.assertEqual(told({"Fetching": {**FETCHING, "pull": C.bytes, "without_pii": True}}, CAUSE), [("hat:bob.hubat.net", one)])
        parts = [{"exchange": C.bytes, "debit": "acme.steps", "dropped": {"quasi": 2}}]
        fanned = {"digest": DIGESTS[2], "count": 9, "parts": parts, "fetched": CLOSED}
        said = {**begun, "status": "accepted", "parts": [{"exchange": str(C), "debit": "acme.steps", "dropped": {"quasi": 2}}]}
        self.assertEqual(told({"Fanned": fanned}), [("hat:bob.hubat.net", said)])

    def test_a_pull_without_a_name(self) -> None:
        asked = {"hat": "bob.hubat.net", "pull": {"pull": A.bytes}}
        accepted = {"exchange": str(A), "status": "accepted", "digestIn": DIGESTS[1].hex(), "count": 0}
        self.assertEqual(told({"OfferPulled": asked}, {**CAUSE, "from": "org:acme"}, "offer:acme.steps"), [("org:acme", accepted)])
        refused = {"pull": A.bytes, "by": "org:acme", "digest": DIGESTS[2], "reason": "debit-ended"}
        rejected = {"exchange": str(A), "status": "rejected", "reason": "debit-ended", "digestIn": DIGESTS[2].hex(), "count": 0}
        self.assertEqual(told({"PullRefused": refused}, {**CAUSE, "from": "dex:dex.example"}), [("org:acme", rejected)])


if __name__ == "__main__":
    unittest.main()
