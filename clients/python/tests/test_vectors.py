"""The vectors of tests/vectors, which the Rust code writes: texts, signatures, digests and proofs are byte for byte the same."""

from __future__ import annotations

import base64
import copy
import json
import unittest
from datetime import datetime
from typing import Any

from dex_client import (
    CheckpointVerifier, DexError, ProofError, Root, SigningKey, Trust, Unverified, Verifier, digest_of, holds, leaf_hash,
    open_trust_bundle, page_id, public_key_bytes, public_key_text, read_entry, record_id, root_of, shared_text, signed_text_in, signed_text_out,
    subject_in, subject_out, verify, verify_consistency, verify_outcome,
)
from dex_client.canonical import canonical, parse_time
from dex_client.entry import told_by
from dex_client.keys import verify_raw

from .harness import ROOT


def read(name: str) -> Any:
    return json.loads((ROOT / "tests/vectors" / name).read_text(encoding="utf-8"))


class Signing(unittest.TestCase):
    signing = read("signing.json")

    def test_keys_texts_and_signatures(self) -> None:
        for message in self.signing["messages"]:
            with self.subTest(message["name"]):
                key = SigningKey.from_text(f"# a comment\n{message['seed']}\n")
                self.assertEqual(key.public_key, message["publicKey"])
                self.assertEqual(SigningKey(bytes.fromhex(message["seedHex"])).seed_text(), message["seed"])
                self.assertEqual(public_key_bytes(message["publicKey"]).hex(), message["publicKeyHex"])
                self.assertEqual(public_key_text(bytes.fromhex(message["publicKeyHex"])), message["publicKey"])
                out = not message["subject"].startswith("dex.v1.in.")
                write = signed_text_out if out else signed_text_in
                text = write(message["origin"], message["subject"], message["headers"], digest_of(message["body"].encode()))
                self.assertEqual(text.decode(), message["text"])
                self.assertEqual(key.sign(text), message["signature"])
                self.assertTrue(verify(message["publicKey"], message["signature"], text))
                self.assertFalse(verify(message["publicKey"], message["signature"], text + b"x"))
                if out:
                    self.taken_and_not(message)

    def taken_and_not(self, message: dict[str, Any]) -> None:
        """As a recipient takes it; and not when anything is changed."""
        def check(change: dict[str, str], body: str, keys: list[str]) -> None:
            Verifier(Trust(message["origin"], keys)).check(message["subject"], {**message["headers"], **change}, body.encode())

        def fault(wanted: str, change: dict[str, str], body: str = message["body"], key: str = message["publicKey"]) -> None:
            with self.assertRaises(Unverified) as raised:
                check(change, body, [key])
            self.assertEqual(raised.exception.fault, wanted)

        check({}, message["body"], [message["publicKey"]])
        fault("digest", {}, message["body"] + " ")
        fault("key", {}, key=SigningKey.generate().public_key)
        for name in ("Dex-Id", "Dex-Deadline", "Dex-Source", "Dex-Count", "Dex-Receipt-To", "Dex-Authority"):
            fault("signature", {name: "0"})
        fault("signature", {"Dex-Sig": "A" * 86})
        fault("signature", {"Dex-Path": "0.2.AAAA"})
        fault("header", {"Dex-Source": ""})

    def test_edges(self) -> None:
        for edge in self.signing["edges"]:
            found = verify_raw(bytes.fromhex(edge["publicKeyHex"]), bytes.fromhex(edge["signatureHex"]), edge["text"].encode())
            # libsodium refuses keys of small order, which no party can register.
            self.assertEqual(found, edge["valid"] and edge["registrable"], edge["name"])

    def test_shared_signatures(self) -> None:
        for message in self.signing["shared"]["messages"]:
            text, path = message["text"].encode(), message["path"]
            shared = shared_text("dex.example", path, text)
            assert shared is not None
            self.assertEqual(shared.decode(), message["rootText"])
            self.assertTrue(verify(self.signing["shared"]["publicKey"], message["signature"], shared))
            self.assertNotEqual(shared_text("dex.example", path, text + b"x"), shared)
            index, size, hashes = path.split(".")
            bad = [f"0{path}", f"{index}.17.{hashes}", f"{size}.{size}.{hashes}", f"{index}.{size}.", f"{path}=", f"{path}.", path[:-1], path + "\n"]
            for spelled in bad:
                self.assertIsNone(shared_text("dex.example", spelled, text), spelled)

    def test_subjects(self) -> None:
        subjects = read("subjects.json")
        for case in subjects["in"]:
            self.assertEqual(subject_in(case["to"], *case["action"]), case["published"])
        out = [
            subject_out("hat:bob.hubat.net", "delivery"), subject_out("org:acme", "delivery", "acme.steps"),
            subject_out("plug:fitbit", "outcome"), subject_out("hat:bob.hubat.net", "request"), subject_out("org:acme", "recall"),
        ]
        self.assertEqual(out, subjects["out"])
        for bad in ("hat", "hat:", "hat:Bob", "hat:.b", "hat:b.", "cat:b", "hat:a_b", "hat:b\n", "hat:" + "a" * 129):
            with self.assertRaises(DexError):
                subject_in(bad, "data")


class Jobs(unittest.TestCase):
    def test_ids(self) -> None:
        jobs = read("jobs.json")
        self.assertTrue(jobs["records"] and jobs["pages"])
        for it in jobs["records"]:
            self.assertEqual(canonical(it["data"]), it["canonical"])
            self.assertEqual(record_id(it["plug"], it["hat"], it["endpoint"], it["sourceId"], it["data"]), it["recordId"])
        for it in jobs["pages"]:
            planned = datetime.fromisoformat(it["plannedAt"].replace("Z", "+00:00"))
            self.assertEqual(page_id(planned, it["plug"], it["hat"], it["endpoint"], it["recordIds"]), it["id"])

    def test_numbers_are_written_as_the_standard_s_examples_are(self) -> None:
        examples = {
            5e-324: "5e-324", 1.7976931348623157e308: "1.7976931348623157e+308", 9007199254740992.0: "9007199254740992",
            295147905179352830000.0: "295147905179352830000", 1e23: "1e+23", 1e21: "1e+21", 0.000001: "0.000001",
            9.999999999999997e-7: "9.999999999999997e-7", 333333333.3333333: "333333333.3333333", -0.0: "0", 100.0: "100",
            -0.0000033333333333333333: "-0.0000033333333333333333", 18446744073709551615: "18446744073709552000", 1.5: "1.5",
        }
        for number, text in examples.items():
            self.assertEqual(canonical(number), text)
        for bad in (float("nan"), float("inf"), {1, 2}):
            with self.assertRaises(DexError):
                canonical(bad)


class Proofs(unittest.TestCase):
    vectors = read("proofs.json")

    def test_inclusion_and_consistency(self) -> None:
        inclusion, consistency = self.vectors["proofs"]["inclusion"], self.vectors["proofs"]["consistency"]
        self.assertTrue(len(inclusion) > 30 and len(consistency) > 40)
        for it in inclusion:
            leaf, path = leaf_hash(bytes.fromhex(it["leafData"])), [bytes.fromhex(hash) for hash in it["path"]]
            self.assertEqual(leaf.hex(), it["leafHash"])
            root = root_of(leaf, it["leaf"], it["treeSize"], path)
            assert root is not None
            self.assertEqual(root.hex(), it["root"])
            self.assertIsNone(root_of(leaf, it["leaf"], it["treeSize"], [*path, leaf]))
            self.assertIsNone(root_of(leaf, it["treeSize"], it["treeSize"], path))
            if path:
                self.assertIsNone(root_of(leaf, it["leaf"], it["treeSize"], path[1:]))
        for it in consistency:
            old, new, proof = bytes.fromhex(it["oldRoot"]), bytes.fromhex(it["newRoot"]), [bytes.fromhex(hash) for hash in it["proof"]]
            self.assertTrue(verify_consistency(it["oldSize"], old, it["newSize"], new, proof), it)
            self.assertFalse(verify_consistency(it["oldSize"], old, it["newSize"], new, [*proof, new]), it)
            if it["oldSize"]:
                self.assertFalse(verify_consistency(it["oldSize"], old, it["newSize"], leaf_hash(new), proof), it)

    def test_checkpoints(self) -> None:
        it = self.vectors["checkpoints"]
        self.assertEqual(str(CheckpointVerifier.of(it["origin"], it["publicKey"])), it["verifierKey"])
        verifier = CheckpointVerifier.parse(it["verifierKey"])
        for case in it["notes"]:
            with self.subTest(case["name"]):
                if case["valid"]:
                    found = verifier.open(case["note"])
                    self.assertEqual((found.origin, found.size, found.root.hex()), (it["origin"], it["size"], it["root"]))
                else:
                    with self.assertRaises(ProofError):
                        verifier.open(case["note"])
        with self.assertRaises(ProofError):
            CheckpointVerifier.parse(it["verifierKey"].replace("+", "+0", 1))

    def test_outcomes(self) -> None:
        told = self.vectors["outcomes"]["told"]
        root = Root(self.vectors["checkpoints"]["origin"], [self.vectors["checkpoints"]["publicKey"]])
        self.assertGreater(len(told), 20)
        for it in told:
            outcome = it["outcome"]
            self.assertEqual(verify_outcome(outcome, root).to, it["to"])
            # Nothing in it can be changed.
            changes: list[tuple[list[str], Any]] = [
                (["exchange"], "019b76da-a800-7111-9111-1111111111ff"), (["count"], outcome["count"] + 1),
                (["status"], "disputed" if outcome["status"] == "settled" else "settled"), (["at"], "2026-01-01T00:00:00Z"),
                (["digestIn"], "00" + outcome["digestIn"][2:]), (["treeSize"], outcome["treeSize"] + 1),
                (["leaf", "index"], outcome["leaf"]["index"] ^ 1), (["leaf", "log"], "other.example"),
                (["proof", "salt"], told[0]["outcome"]["proof"]["entry"]), (["more"], 1),
            ]
            for place, value in changes:
                changed = copy.deepcopy(outcome)
                at = changed
                for name in place[:-1]:
                    at = at[name]
                at[place[-1]] = value
                with self.assertRaises(ProofError, msg=f"{place} {outcome}"):
                    verify_outcome(changed, root)
            for other in (Root("other.example", root.keys), Root(root.origin, [SigningKey.generate().public_key]), Root(root.origin, [])):
                with self.assertRaises(ProofError):
                    verify_outcome(outcome, other)
        for entry in self.vectors["outcomes"]["entriesThatTellNobody"]:
            self.assertEqual(told_by(read_entry(base64.b64decode(entry))), [])

    def test_trust_bundle(self) -> None:
        it = self.vectors["trustBundle"]
        root, text = Root(it["origin"], [it["publicKey"]]), it["bytes"]
        start, end = parse_time(it["goodFrom"]), parse_time(it["goodUntil"])
        bundle = open_trust_bundle(text.encode(), root, start)
        keys = {party["party"]: party["keys"][0]["key"] for party in bundle["parties"]}
        plug, platform = keys["plug:fitbit"], keys["platform:hubat.net"]
        self.assertTrue(holds(bundle, "plug:fitbit", plug, start))
        self.assertFalse(holds(bundle, "plug:fitbit", platform, start))
        self.assertTrue(holds(bundle, "platform:hubat.net", platform, start))
        self.assertFalse(holds(bundle, "platform:hubat.net", platform, start + 10**9))
        open_trust_bundle(text.encode(), root, start - 60 * 10**9)
        bad: list[tuple[str, int, Root]] = [
            (text, start - 61 * 10**9, root), (text, end, root), (text + "\n", start, root), ("{}", start, root), ("null", start, root),
            (text.replace("plug:fitbit", "plug:fatbit"), start, root), (text[1:], start, root),
            (text, start, Root("other.example", root.keys)), (text, start, Root(root.origin, [plug])),
        ]
        for changed, now, of in bad:
            with self.assertRaises(ProofError, msg=changed[:40]):
                open_trust_bundle(changed.encode(), of, now)


if __name__ == "__main__":
    unittest.main()
