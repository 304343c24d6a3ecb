/** What holds a delivery back: an answer for good, a holder for a time. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Hold, Seen } from "../src/seen.js";

let now = 0;
let seen: Seen;
beforeEach(() => {
  now = 0;
  seen = new Seen(60, 2, () => now);
});

function hold(id: string): Hold {
  const turn = seen.came(id);
  assert.ok(turn instanceof Hold, JSON.stringify(turn));
  return turn;
}

test("one that was left unanswered is handed out again, when its time is over", () => {
  hold("a");
  now = 40;
  assert.deepEqual(seen.came("a"), { inHandMs: 20 });
  now = 60;
  hold("a");
  assert.deepEqual(seen.came("a"), { inHandMs: 60 });
});

test("who says that he works keeps it", () => {
  const mine = hold("a");
  now = 50;
  seen.renew(mine);
  now = 100;
  assert.deepEqual(seen.came("a"), { inHandMs: 10 });
});

test("while an answer is under way it is in hand", () => {
  const mine = hold("a");
  seen.answering(mine);
  seen.renew(mine);
  now = 10_000;
  assert.deepEqual(seen.came("a"), { inHandMs: Infinity });
  seen.givenUp(mine);
  const again = hold("a");
  // Who held it before can neither give it up nor keep it.
  seen.givenUp(mine);
  seen.answering(mine);
  assert.deepEqual(seen.came("a"), { inHandMs: 60 });
  seen.answered("a");
  seen.givenUp(again);
  seen.renew(again);
  now = 20_000;
  assert.equal(seen.came("a"), "answered");
  assert.ok(seen.isAnswered("a"));
});

test("it remembers so many and no more", () => {
  const first = hold("a");
  hold("b");
  assert.deepEqual(seen.came("c"), { inHandMs: 60 }, "no room: it comes later");
  seen.answering(first);
  now = 60;
  hold("c"); // in the place of b, whose time is over
  assert.deepEqual(seen.came("a"), { inHandMs: Infinity });
  assert.deepEqual(seen.came("b"), { inHandMs: 60 });
  for (const id of ["a", "c", "d"]) seen.answered(id);
  assert.ok(!seen.isAnswered("a"));
  assert.equal(seen.came("d"), "answered");
});

test("the same receipt leaves under the same id", () => {
  const receipt = { delivery: "a", digest: "", count: 1, verdict: "accepted" } as const;
  assert.equal(seen.receipt(receipt, () => "7"), "7");
  assert.equal(seen.receipt({ ...receipt }, () => "8"), "7");
  assert.equal(seen.receipt({ ...receipt, count: 2 }, () => "9"), "9");
  seen.refused("a");
  assert.equal(seen.receipt({ ...receipt, count: 2 }, () => "10"), "10");
});
