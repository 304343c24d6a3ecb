/** Jobs of a plug against a real exchange: taken, kept, left to another, gone on with, ended. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";

import { Refused, SigningKey } from "../src/node.js";
import type { Job } from "../src/node.js";
import { utf8 } from "../src/bytes.js";
import { Exchange } from "./harness.js";

const MANIFEST = {
  description: "Reads what a wristband counts.", url: "https://band.plug.example", endpoints: [{ name: "steps" }],
  jobs: { leaseSeconds: 10, perMinute: 6000 },
};
let exchange: Exchange;
before(async () => {
  exchange = await Exchange.start();
});
after(async () => exchange?.stop());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
async function nextOf(jobs: AsyncIterator<Job>): Promise<Job> {
  const { value } = await jobs.next();
  assert.ok(value !== undefined);
  return value as Job;
}

test("a worker takes, keeps, leaves and ends a job", { timeout: 90_000 }, async () => {
  const { operator, bob } = await exchange.cast();
  const plug = await exchange.client("plug:band");
  await plug.register({ name: "Band", namespace: "band", manifest: MANIFEST });
  await operator.send("plug:band", ["approve"], { key: (await exchange.key("band")).publicKey });
  await bob.connectPlug("band");
  const strangers = plug.speaking("plug:band", SigningKey.generate()).jobs();
  const waiting = nextOf(strangers); // there is no consumer yet
  await pause(500);
  await bob.send("hat:bob.hubat.net", ["job", "band"], { status: "wanted", endpoint: "steps" });
  const stranger = await waiting;
  assert.deepEqual([stranger.hat, stranger.plug, stranger.endpoint, stranger.times, stranger.leaseSeconds], ["bob.hubat.net", "band", "steps", 1, 10]);

  // Who has a wrong key does not take it off the queue.
  await assert.rejects(stranger.hold(() => stranger.done("nowhere")), (error) => error instanceof Refused && error.outcome === undefined);
  await strangers.return();
  // The consumer may wait for less than the job says.
  await (await jetstreamManager(plug.wire.nats)).consumers.update("DEX_JOBS", "plug_band", { ack_wait: nanos(3000) });
  const jobs = plug.jobs();
  const job = await nextOf(jobs);
  assert.deepEqual([job.id, job.times, job.continuation, job.leaseSeconds], [stranger.id, 2, undefined, 3]);

  // It is kept for longer than the lease; nobody else gets it.
  const others = plug.jobs();
  let came: Job | undefined;
  const other = nextOf(others).then((it) => (came = it));
  const records = [job.record("day-1", { steps: 1042 })];
  const dying = job.hold(async () => {
    const first = await job.credit(records);
    assert.equal((await job.credit(records)).exchange, first.exchange, "the same page is the same exchange");
    assert.equal((await job.progress("page 2", 1)).status, "settled");
    await pause(12_000);
    assert.equal(came, undefined);
    throw new Error("it dies");
  });
  await assert.rejects(dying, /it dies/);
  const again = await other;
  assert.deepEqual([again.id, again.times, again.continuation], [job.id, 3, "page 2"]);
  assert.equal((await again.hold(() => again.done("day 1", { records: 1 }))).status, "settled");
  await assert.rejects(job.failed("internal"), (error) => error instanceof Refused && error.reason === "wrong-state");
  const told = (await plug.query("plug.jobs", { plug: "band", hat: "bob.hubat.net" })) as { items: { continuation?: string; job?: string }[] };
  assert.deepEqual(told.items.map((it) => [it.continuation, it.job]), [["day 1", undefined]]);
  for await (const delivery of bob.deliveries()) {
    assert.deepEqual(delivery.records, records);
    await delivery.accept();
    break;
  }

  await jetstream(plug.wire.nats).publish("dex.v1.job.band", utf8("{}"));
  await assert.rejects(nextOf(jobs), { name: "Unverified" });
  await pause(200);
  const info = await (await jetstreamManager(plug.wire.nats)).consumers.info("DEX_JOBS", "plug_band");
  assert.deepEqual([info.num_ack_pending, info.num_pending], [0, 0], "nothing is left in the queue");
});
