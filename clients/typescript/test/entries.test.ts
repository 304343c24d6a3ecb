/** Outcomes that follow from entries, written out by hand; tests/vectors has such entries as `effects_of` in src/domain/effect.rs tells them. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { encode } from "@msgpack/msgpack";

import { readEntry } from "../src/node.js";
import { fromHex } from "../src/bytes.js";
import { toldBy } from "../src/entry.js";
import { uuidText } from "../src/ids.js";

const id = (n: number): Uint8Array => fromHex(`019b76daa8007111911111111111110${n}`);
const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const hex = (n: number): string => `0${n}`.repeat(32);
const BOB = "hat:bob.hubat.net";
const CAUSE = { id: id(0), from: BOB, body: digest(1) };
const OBJECT = { id: id(3), size: 600_000, digest: digest(2), count: 9, chunks: 5 };
const FETCHING = { exchange: id(0), from: BOB, delivery: id(1), object: OBJECT };
const CLOSED = { exchange: id(0), from: BOB, delivery: id(1), digest_in: digest(2), digest_out: digest(3), count: 9 };

function told(event: object, cause?: object, entity = BOB): unknown {
  return toldBy(readEntry(encode({ v: 1, entity, n: 1, at: 5, event, ...(cause === undefined ? {} : { cause }) })));
}

test("large content for all debits: fetched first, then parted", () => {
  const begun = { exchange: uuidText(id(0)), status: "pending", digestIn: hex(2), count: 9 };
  assert.deepEqual(told({ Fetching: { ...FETCHING, debits: ["acme.steps"] } }, CAUSE), [{ to: BOB, outcome: begun }]);
  const one = { ...begun, delivery: uuidText(id(1)) };
  assert.deepEqual(told({ Fetching: { ...FETCHING, pull: id(2), without_pii: true } }, CAUSE), [{ to: BOB, outcome: one }]);
  const parts = [{ exchange: id(2), debit: "acme.steps", dropped: { quasi: 2 } }];
  const said = { ...begun, status: "accepted", parts: [{ exchange: uuidText(id(2)), debit: "acme.steps", dropped: { quasi: 2 } }] };
  assert.deepEqual(told({ Fanned: { digest: digest(2), count: 9, parts, fetched: CLOSED } }), [{ to: BOB, outcome: said }]);
});

test("a pull without a name: asked, and refused by the HAT", () => {
  const accepted = { exchange: uuidText(id(0)), status: "accepted", digestIn: hex(1), count: 0 };
  const asked = { hat: "bob.hubat.net", pull: { pull: id(0) } };
  assert.deepEqual(told({ OfferPulled: asked }, { ...CAUSE, from: "org:acme" }, "offer:acme.steps"), [{ to: "org:acme", outcome: accepted }]);
  const refused = { pull: id(0), by: "org:acme", digest: digest(2), reason: "debit-ended" };
  const rejected = { exchange: uuidText(id(0)), status: "rejected", reason: "debit-ended", digestIn: hex(2), count: 0 };
  assert.deepEqual(told({ PullRefused: refused }, { ...CAUSE, from: "dex:dex.example" }), [{ to: "org:acme", outcome: rejected }]);
});
