/** A job without an exchange: which words are said again, when it leaves the queue, and under which lease. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import type { JsMsg } from "@nats-io/jetstream";

import { Refused } from "../src/node.js";
import type { Client, Outcome, Reason } from "../src/node.js";
import { utf8 } from "../src/bytes.js";
import type { JobWord } from "../src/jobs.js";
import { Job } from "../src/worker.js";

const ID = "019b76da-a800-8111-9111-111111111105";
const OUTCOME: Outcome = {
  exchange: ID, status: "settled", digestIn: "", count: 0, at: "2026-01-31T12:00:00Z", leaf: { log: "dex.test", index: 1 }, treeSize: 2,
};
const NOW = Date.parse("2026-01-31T12:00:00Z");

/** Refused with an outcome, or by a problem. */
const refusal = (reason: Reason, ledgered = true): Refused =>
  new Refused(ID, reason, undefined, ledgered ? { ...OUTCOME, status: "rejected", reason } : undefined);

/** What was said to the exchange, and to the broker. */
let words: { word: JobWord; at: number }[];
let told: string[];
/** A job; `says` is what the exchange answers, one after the other, at last `undefined`: settled. */
function job(says: readonly Refused[] = [], { waits = 120, lasts = 3600 } = {}): Job {
  const answers = [...says];
  const client = {
    reportJob: async (_hat: string, word: JobWord): Promise<Outcome> => {
      words.push({ word, at: Date.now() - NOW });
      const refused = answers.shift();
      if (refused !== undefined) throw refused;
      return OUTCOME;
    },
  };
  const message = {
    info: { deliveryCount: 1 },
    ack: () => void told.push("ack"), nak: (ms: number) => void told.push(`nak ${ms}`), working: () => void told.push("working"),
  };
  const body = {
    job: ID, hat: "bob.hubat.net", plug: "band", endpoint: "steps", attempt: 1, leaseSeconds: 120,
    plannedAt: "2026-01-31T12:00:00Z", endsAt: new Date(NOW + lasts * 1000).toISOString(),
  };
  const received = { id: ID, subject: "dex.v1.job.band", body: utf8(JSON.stringify(body)), digest: "", headers: {} };
  return new Job(received, client as unknown as Client, message as unknown as JsMsg, waits);
}

/** Waits for `work`, with time that runs by itself. */
async function run<T>(work: Promise<T>): Promise<T> {
  let over = false;
  const ended = (): void => void (over = true);
  work.then(ended, ended);
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    if (over) return work;
    mock.timers.tick(500);
  }
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: NOW });
  [words, told] = [[], []];
});
afterEach(() => mock.timers.reset());

test("a word that the exchange cannot take now is said again", async () => {
  const quotas = ["over-quota", "recipient-over-quota", "over-quota", "over-quota", "over-quota", "over-quota"] as const;
  const taken = job(quotas.map((reason) => refusal(reason)));
  assert.equal((await run(taken.hold(() => taken.done("page 2")))).status, "settled");
  const times = [0, 1000, 3000, 7000, 15_000, 30_000, 45_000];
  assert.deepEqual(words, times.map((at) => ({ word: { job: ID, status: "done", continuation: "page 2" }, at })));
  // It was kept meanwhile, and ends once.
  assert.deepEqual(told.filter((it) => it !== "working"), ["ack"]);
  assert.ok(told.includes("working"));

  for (const reason of ["internal", "stale", "conflict"] as const) {
    [words, told] = [[], []];
    const once = job([refusal(reason, false)]);
    assert.equal((await run(once.failed("network"))).status, "settled");
    assert.deepEqual([words.length, told], [2, ["ack"]], reason);
    [words, told] = [[], []];
    const never = job(Array.from({ length: 9 }, () => refusal(reason)));
    await assert.rejects(run(never.hold(() => never.done("page 2"))), refusal(reason));
    assert.deepEqual([words.length, told], [4, ["nak 2000"]], `${reason}: another one goes on with it`);
  }

  [words, told] = [[], []];
  const going = job([refusal("over-quota")]);
  assert.equal((await run(going.progress("page 2"))).status, "settled");
  assert.deepEqual([words.length, told], [2, []]);
});

test("only an outcome, or its end, takes a job off the queue", async () => {
  for (const reason of ["bad-signature", "revoked-key", "unknown-party", "malformed"] as const) {
    [words, told] = [[], []];
    const taken = job([refusal(reason, false)]);
    await assert.rejects(run(taken.hold(() => taken.done())), refusal(reason, false));
    assert.deepEqual([words.length, told], [1, ["nak 2000"]], reason);
  }
  for (const reason of ["wrong-state", "not-connected", "suspended"] as const) {
    [words, told] = [[], []];
    const over = job([refusal(reason)]);
    await assert.rejects(run(over.hold(() => over.done())), refusal(reason));
    assert.deepEqual([words.length, told], [1, ["ack"]], reason);
  }
  [words, told] = [[], []];
  const late = job(Array.from({ length: 9 }, () => refusal("over-quota")), { lasts: 10 });
  await assert.rejects(run(late.done()), refusal("over-quota"));
  assert.deepEqual([words.map((it) => it.at), told], [[0, 1000, 3000, 7000, 15_000], ["ack"]]);
});

test("the shorter lease holds, the job's or the consumer's", async () => {
  assert.equal(job([], { waits: 300 }).leaseSeconds, 120);
  assert.equal(job([], { waits: Infinity }).leaseSeconds, 120);
  assert.equal(job([], { waits: 0.1 }).leaseSeconds, 1);
  const taken = job([], { waits: 9 });
  assert.equal(taken.leaseSeconds, 9);
  await run(taken.hold(() => new Promise<void>((resolve) => setTimeout(resolve, 8500))));
  assert.deepEqual(told, ["working", "working", "nak 2000"]);
});
