/** A delivery without an exchange: which refusals of a receipt answer it, and that it is held while it is downloaded. */

import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";

import type { JsMsg } from "@nats-io/jetstream";

import { Refused, digestOf } from "../src/node.js";
import type { Client, Outcome, Reason } from "../src/node.js";
import { utf8 } from "../src/bytes.js";
import { Delivery } from "../src/delivery.js";
import { Hold, Seen } from "../src/seen.js";

const ID = "019b76da-a800-8222-9222-222222222222";
const RECORD = utf8(`{"endpoint":"fitbit/steps","data":{"steps":1}}`);
const OUTCOME: Outcome = {
  exchange: ID, status: "settled", digestIn: "", count: 0, at: "2026-01-31T12:00:00Z", leaf: { log: "dex.test", index: 1 }, treeSize: 2,
};
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

afterEach(() => mock.timers.reset());

/** A delivery in hand, of an inbox and a client that are given; what the broker is told of it. */
function delivery(seen: Seen, body: Uint8Array, client: object): { it: Delivery; told: string[] } {
  const told: string[] = [];
  const message = { ack: () => void told.push("ack"), nak: (ms: number) => void told.push(`nak ${ms}`), working: () => void told.push("working") };
  const hold = seen.came(ID);
  assert.ok(hold instanceof Hold, JSON.stringify(hold));
  const received = { id: ID, subject: "dex.v1.out.hat.bob_hubat_net.delivery", body, digest: digestOf(body), headers: {} };
  const facts = { source: "plug:fitbit", authority: "plug:fitbit", deadline: "", receiptTo: "", count: 1 };
  return { it: new Delivery(received, facts, client as Client, message as unknown as JsMsg, seen, hold), told };
}

test("only a refusal with an outcome answers a delivery", async () => {
  const ids: string[] = [];
  const seen = new Seen();
  const answered = async (reason: Reason, ledgered: boolean): Promise<string[]> => {
    const refused = new Refused(ID, reason, undefined, ledgered ? { ...OUTCOME, status: "rejected", reason } : undefined);
    const client = {
      messageId: () => `id ${ids.length}`,
      receipt: async (_to: string, _receipt: object, { id }: { id: string }): Promise<Outcome> => {
        ids.push(id);
        throw refused;
      },
    };
    const { it, told } = delivery(seen, RECORD, client);
    await assert.rejects(it.hold(() => it.accept()), refused);
    return told;
  };
  // It comes again, and the same receipt is the same message, for the exchange knows nothing of it.
  for (const reason of ["bad-signature", "revoked-key", "unknown-party"] as const) assert.equal((await answered(reason, false))[0], "nak 1000", reason);
  assert.deepEqual(ids, ["id 0", "id 0", "id 0"]);
  // What passes comes again too, and then another message leaves.
  for (const reason of ["over-quota", "internal"] as const) assert.equal((await answered(reason, true))[0], "nak 1000", reason);
  assert.deepEqual(ids.slice(3), ["id 0", "id 4"]);
  assert.ok(!seen.isAnswered(ID));
  assert.deepEqual(await answered("wrong-state", true), ["ack"]);
  assert.ok(seen.isAnswered(ID));
});

test("it is held while a chunk, or who writes it, lets wait", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 0 });
  for (const slow of ["chunk", "write"] as const) {
    const seen = new Seen(60_000, 10, () => Date.now());
    const object = { id: "0f8fad5b-d9cb-469f-a165-70867728950e", size: RECORD.length, digest: digestOf(RECORD), count: 1, chunks: 1 };
    const nats = {
      request: async () => {
        if (slow === "chunk") await pause(150_000);
        return { data: RECORD };
      },
    };
    const { it, told } = delivery(seen, utf8(JSON.stringify({ object })), { party: "hat:bob.hubat.net", wire: { nats } });
    mock.timers.tick(45_000); // it was in hand for long
    let over = false;
    const download = it.downloadTo(() => (slow === "write" ? pause(150_000) : undefined)).finally(() => (over = true));
    for (; !over; mock.timers.tick(1000)) {
      assert.ok(!(seen.came(ID) instanceof Hold), `another got it while a ${slow} was waited for`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await download;
    const times = told.length;
    assert.equal(times, 8);
    mock.timers.tick(60_000);
    assert.equal(told.length, times, "it is not held any more");
    assert.ok(seen.came(ID) instanceof Hold);
  }
});
