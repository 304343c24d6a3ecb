/** The vectors of tests/vectors, which the Rust code writes: texts, signatures, digests and proofs are byte for byte the same. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  CheckpointVerifier, ProofError, SigningKey, Unverified, Verifier, canonical, digestOf, holds, leafHash, openTrustBundle, pageId,
  publicKeyBytes, publicKeyText, readEntry, recordId, rootOf, sharedText, signedTextIn, signedTextOut, subjectIn, subjectOut, verify, verifyConsistency,
  verifyOutcome,
} from "../src/node.js";
import type { Json, Outcome } from "../src/node.js";
import { fromBase64, fromHex, toBase64Url, toHex, utf8, textOf } from "../src/bytes.js";
import { toldBy } from "../src/entry.js";
import { verifyRaw } from "../src/keys.js";
import { ROOT } from "./harness.js";

const read = <T>(name: string): T => JSON.parse(readFileSync(join(ROOT, "tests/vectors", name), "utf8")) as T;

interface Message {
  name: string; seed: string; seedHex: string; publicKey: string; publicKeyHex: string; origin: string; subject: string;
  headers: Record<string, string>; body: string; text: string; signature: string;
}
interface Signing {
  messages: Message[];
  edges: { name: string; publicKeyHex: string; signatureHex: string; text: string; valid: boolean }[];
  shared: { publicKey: string; messages: { text: string; path: string; rootText: string; signature: string }[] };
}
const signing = read<Signing>("signing.json");
const lists = (headers: Record<string, string>): Map<string, string[]> => new Map(Object.entries(headers).map(([name, value]) => [name, [value]]));

test("keys, texts and signatures of messages", () => {
  for (const message of signing.messages) {
    const key = SigningKey.fromText(`# a comment\n${message.seed}\n`);
    assert.equal(key.publicKey, message.publicKey, message.name);
    assert.equal(SigningKey.fromSeed(fromHex(message.seedHex)).seedText(), message.seed);
    assert.equal(toHex(publicKeyBytes(message.publicKey)), message.publicKeyHex);
    assert.equal(publicKeyText(fromHex(message.publicKeyHex)), message.publicKey);
    const out = !message.subject.startsWith("dex.v1.in.");
    const write = out ? signedTextOut : signedTextIn;
    const text = write(message.origin, message.subject, message.headers, digestOf(utf8(message.body)));
    assert.equal(textOf(text), message.text, message.name);
    assert.equal(key.sign(text), message.signature, message.name);
    assert.ok(verify(message.publicKey, message.signature, text));
    assert.ok(!verify(message.publicKey, message.signature, utf8(`${message.text}x`)));
    if (!out) continue;
    // As a recipient takes it; and not when anything is changed.
    const check = (change: Partial<Record<string, string>>, body = message.body, keys = [message.publicKey]): unknown => {
      const headers = { ...message.headers, ...change } as Record<string, string>;
      return new Verifier({ origin: message.origin, keys }).check(message.subject, lists(headers), utf8(body));
    };
    check({});
    const fault = (run: () => unknown, wanted: string): void => {
      assert.throws(run, (error) => error instanceof Unverified && error.fault === wanted, wanted);
    };
    fault(() => check({}, `${message.body} `), "digest");
    fault(() => check({}, message.body, []), "key");
    for (const name of ["Dex-Id", "Dex-Deadline", "Dex-Source", "Dex-Count", "Dex-Receipt-To", "Dex-Authority"]) {
      fault(() => check({ [name]: "0" }), "signature");
    }
    fault(() => check({ "Dex-Sig": toBase64Url(new Uint8Array(64)) }), "signature");
    fault(() => check({ "Dex-Path": "0.2.AAAA" }), "signature");
    fault(() => check({ "Dex-Source": "" }), "header");
    const twice = lists(message.headers).set("Dex-Count", ["1", "1"]);
    fault(() => new Verifier({ origin: message.origin, keys: [message.publicKey] }).check(message.subject, twice, utf8(message.body)), "header");
  }
});

test("edges of the signature rules", () => {
  for (const edge of signing.edges) {
    assert.equal(verifyRaw(fromHex(edge.publicKeyHex), fromHex(edge.signatureHex), utf8(edge.text)), edge.valid, edge.name);
  }
});

test("signatures that several messages share", () => {
  for (const { text, path, rootText, signature } of signing.shared.messages) {
    const shared = sharedText("dex.example", path, utf8(text));
    assert.ok(shared !== undefined);
    assert.equal(textOf(shared), rootText);
    assert.ok(verify(signing.shared.publicKey, signature, shared));
    assert.notDeepEqual(sharedText("dex.example", path, utf8(`${text}x`)), shared);
    const [index, size, hashes] = path.split(".");
    for (const bad of [`0${path}`, `${index}.17.${hashes}`, `${size}.${size}.${hashes}`, `${index}.${size}.`, `${path}=`, `${path}.`, path.slice(0, -1)]) {
      assert.equal(sharedText("dex.example", bad, utf8(text)), undefined, bad);
    }
  }
});

test("subjects", () => {
  const subjects = read<{ in: { to: string; action: string[]; published: string }[]; out: string[] }>("subjects.json");
  for (const { to, action, published } of subjects.in) assert.equal(subjectIn(to, action), published);
  const out = [
    subjectOut("hat:bob.hubat.net", "delivery"), subjectOut("org:acme", "delivery", "acme.steps"), subjectOut("plug:fitbit", "outcome"),
    subjectOut("hat:bob.hubat.net", "request"), subjectOut("org:acme", "recall"),
  ];
  assert.deepEqual(out, subjects.out);
  for (const bad of ["hat", "hat:", "hat:Bob", "hat:.b", "hat:b.", "cat:b", "hat:a_b", `hat:${"a".repeat(129)}`]) {
    assert.throws(() => subjectIn(bad, ["data"]), { name: "ArgumentError" }, bad);
  }
});

test("ids of jobs", () => {
  interface Place { plug: string; hat: string; endpoint: string }
  const jobs = read<{
    records: (Place & { sourceId: string; data: Json; canonical: string; recordId: string })[];
    pages: (Place & { plannedAt: string; recordIds: string[]; id: string })[];
  }>("jobs.json");
  assert.ok(jobs.records.length > 0 && jobs.pages.length > 0);
  for (const it of jobs.records) {
    assert.equal(canonical(it.data), it.canonical);
    assert.equal(recordId(it, it.sourceId, it.data), it.recordId);
  }
  for (const it of jobs.pages) assert.equal(pageId(new Date(it.plannedAt), it, it.recordIds), it.id);
});

interface Proofs {
  proofs: {
    inclusion: { leafData: string; leafHash: string; leaf: number; treeSize: number; root: string; path: string[] }[];
    consistency: { oldSize: number; oldRoot: string; newSize: number; newRoot: string; proof: string[] }[];
  };
  checkpoints: { verifierKey: string; publicKey: string; origin: string; size: number; root: string; notes: { name: string; note: string; valid: boolean }[] };
  outcomes: { told: { to: string; outcome: Outcome }[]; entriesThatTellNobody: string[] };
  trustBundle: { bytes: string; digest: string; origin: string; publicKey: string; goodFrom: string; goodUntil: string };
}
const proofs = read<Proofs>("proofs.json");

test("inclusion and consistency", () => {
  assert.ok(proofs.proofs.inclusion.length > 30 && proofs.proofs.consistency.length > 40);
  for (const it of proofs.proofs.inclusion) {
    const leaf = leafHash(fromHex(it.leafData));
    assert.equal(toHex(leaf), it.leafHash);
    const path = it.path.map(fromHex);
    const root = (index: number, size: number, hashes: Uint8Array[]): string => {
      const found = rootOf(leaf, BigInt(index), BigInt(size), hashes);
      return found === undefined ? "" : toHex(found);
    };
    assert.equal(root(it.leaf, it.treeSize, path), it.root);
    assert.equal(root(it.leaf, it.treeSize, [...path, leaf]), "", "too long");
    if (path.length > 0) assert.equal(root(it.leaf, it.treeSize, path.slice(1)), "", "too short");
    assert.equal(root(it.treeSize, it.treeSize, path), "", "outside");
  }
  for (const it of proofs.proofs.consistency) {
    const [old, now] = [fromHex(it.oldRoot), fromHex(it.newRoot)];
    const check = (proof: Uint8Array[], root = now): boolean => verifyConsistency(BigInt(it.oldSize), old, BigInt(it.newSize), root, proof);
    const proof = it.proof.map(fromHex);
    assert.ok(check(proof), `${it.oldSize} to ${it.newSize}`);
    assert.ok(!check([...proof, now]), "too long");
    if (it.oldSize > 0) assert.ok(!check(proof, leafHash(now)), "another root");
  }
});

test("checkpoints", () => {
  const { verifierKey, publicKey, origin, size, root, notes } = proofs.checkpoints;
  assert.equal(CheckpointVerifier.of(origin, publicKey).toString(), verifierKey);
  const verifier = CheckpointVerifier.parse(verifierKey);
  for (const { name, note, valid } of notes) {
    if (!valid) {
      assert.throws(() => verifier.open(note), ProofError, name);
      continue;
    }
    const checkpoint = verifier.open(note);
    assert.deepEqual([checkpoint.origin, checkpoint.size, toHex(checkpoint.root)], [origin, BigInt(size), root], name);
  }
  assert.throws(() => CheckpointVerifier.parse(verifierKey.replace(/\+./, "+_")), ProofError);
});

test("outcomes with their proofs", () => {
  const { publicKey, origin } = proofs.checkpoints;
  const root = { origin, keys: [publicKey] };
  assert.ok(proofs.outcomes.told.length > 20);
  for (const { to, outcome } of proofs.outcomes.told) {
    const proved = verifyOutcome(outcome, root);
    assert.equal(proved.to, to);
    // Nothing in it can be changed.
    const changed: Outcome[] = [
      { ...outcome, exchange: "019b76da-a800-7111-9111-1111111111ff" }, { ...outcome, count: outcome.count + 1 },
      { ...outcome, status: outcome.status === "settled" ? "disputed" : "settled" }, { ...outcome, at: "2026-01-01T00:00:00Z" },
      { ...outcome, digestIn: outcome.digestIn.replace(/^./, (c) => (c === "0" ? "1" : "0")) },
      { ...outcome, treeSize: outcome.treeSize + 1 }, { ...outcome, leaf: { ...outcome.leaf, index: outcome.leaf.index ^ 1 } },
      { ...outcome, leaf: { ...outcome.leaf, log: "other.example" } },
      { ...outcome, proof: { ...outcome.proof, salt: proofs.outcomes.told[0]?.outcome.proof?.entry ?? "" } as NonNullable<Outcome["proof"]> },
    ];
    for (const one of changed) assert.throws(() => verifyOutcome(one, root), ProofError, JSON.stringify(one));
    assert.throws(() => verifyOutcome(outcome, { ...root, origin: "other.example" }), ProofError);
    assert.throws(() => verifyOutcome(outcome, { ...root, keys: [SigningKey.generate().publicKey] }), ProofError);
  }
  for (const entry of proofs.outcomes.entriesThatTellNobody) assert.deepEqual(toldBy(readEntry(fromBase64(entry))), []);
});

test("a trust bundle", () => {
  const { bytes, origin, publicKey, goodFrom, goodUntil } = proofs.trustBundle;
  const root = { origin, keys: [publicKey] };
  const [from, until] = [Date.parse(goodFrom), Date.parse(goodUntil)];
  const bundle = openTrustBundle(utf8(bytes), root, from);
  assert.equal(bundle.parties.length, 2);
  const plug = bundle.parties.find((it) => it.party === "plug:fitbit")?.keys[0]?.key ?? "";
  const platform = bundle.parties.find((it) => it.party === "platform:hubat.net")?.keys[0]?.key ?? "";
  assert.ok(holds(bundle, "plug:fitbit", plug, from) && !holds(bundle, "plug:fitbit", platform, from));
  assert.ok(holds(bundle, "platform:hubat.net", platform, from) && !holds(bundle, "platform:hubat.net", platform, from + 1000));
  openTrustBundle(utf8(bytes), root, from - 60_000);
  const refused = (text: string, at = from, of = root): void => assert.throws(() => openTrustBundle(utf8(text), of, at), ProofError);
  refused(bytes, from - 61_000);
  refused(bytes, until);
  refused(`${bytes}\n`);
  refused(bytes.replace("plug:fitbit", "plug:fatbit"));
  refused(bytes.slice(1));
  refused("{}");
  refused("null");
  refused(bytes, from, { ...root, origin: "other.example" });
  refused(bytes, from, { ...root, keys: [plug] });
});
