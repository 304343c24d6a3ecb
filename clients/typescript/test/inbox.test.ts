/** Against a real exchange: what an inbox hands out again, what it does not, and an outcome that is none. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { jetstream } from "@nats-io/jetstream";

import { NoOutcome } from "../src/node.js";
import type { Client, Delivery, Item } from "../src/node.js";
import { utf8 } from "../src/bytes.js";
import { Exchange } from "./harness.js";

let exchange: Exchange;
let bob: Client;
let fitbit: Client;
const steps = (n: number): { endpoint: string; data: { steps: number } }[] => [{ endpoint: "fitbit/steps", data: { steps: n } }];
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

before(async () => {
  exchange = await Exchange.start();
  ({ bob, fitbit } = await exchange.cast());
});
after(async () => exchange?.stop());

/** What comes to a consumer of its own, from now on. */
async function listen<T>(of: Client, topic: "deliveries" | "outcomes", answerWithinMs: number, work: (next: () => Promise<Item>) => Promise<T>): Promise<T> {
  const inbox = await of.inbox({ topic, durable: false, onlyNew: true, answerWithinMs });
  const items = inbox[Symbol.asyncIterator]();
  const next = async (): Promise<Item> => {
    const { value, done } = await items.next();
    assert.ok(done !== true, "the inbox ended");
    return value as Item;
  };
  try {
    return await work(next);
  } finally {
    // Before it is left: who still waits for a message is let go.
    inbox.close();
    await items.return?.();
  }
}

/** The next delivery, within a time. */
async function delivered(next: () => Promise<Item>, within = 10_000): Promise<Delivery> {
  const item = await Promise.race([next(), pause(within).then(() => undefined)]);
  assert.ok(item?.kind === "delivery", `no delivery within ${within} ms`);
  return item;
}

test("what its handler left unanswered is handed out again", { timeout: 60_000 }, async () => {
  await listen(bob, "deliveries", 1500, async (next) => {
    const sent = await fitbit.credit("bob.hubat.net", steps(1));
    const first = await delivered(next); // its handler fails, and says nothing
    const again = await delivered(next);
    assert.deepEqual([first.id, again.id], [sent.delivery, sent.delivery]);
    const failing = again.hold(async () => {
      throw new Error("its disk is full");
    });
    await assert.rejects(failing, /its disk is full/);
    const third = await delivered(next);
    assert.equal((await third.hold(() => third.accept())).status, "settled");
    await assert.rejects(delivered(next, 2500), /no delivery/);
  });
});

test("what was in the hands of an inbox that died is handed out by the next one", { timeout: 60_000 }, async () => {
  const sent = await fitbit.credit("bob.hubat.net", steps(2));
  const one = async (): Promise<Delivery> => {
    for await (const delivery of bob.deliveries({ answerWithinMs: 1500 })) {
      if (delivery.id === sent.delivery) return delivery;
      delivery.ignore();
    }
    throw new Error("the inbox ended");
  };
  await one();
  assert.equal((await (await one()).accept()).status, "settled");
});

test("while somebody works on it, however long, nobody else gets it", { timeout: 60_000 }, async () => {
  await listen(bob, "deliveries", 1000, async (next) => {
    const sent = await fitbit.credit("bob.hubat.net", steps(3));
    const delivery = await delivered(next);
    assert.equal(delivery.id, sent.delivery);
    let following: Item | undefined;
    const waiting = next().then((item) => (following = item));
    await delivery.hold(async () => {
      await pause(3000);
      assert.equal(following, undefined, "it was handed out twice at the same time");
      assert.equal((await delivery.accept()).status, "settled");
    });
    const after = await fitbit.credit("bob.hubat.net", steps(4));
    const item = await waiting;
    assert.ok(item.kind === "delivery" && item.id === after.delivery);
  });
});

test("an outcome that cannot be read is told and taken off; the others are not lost", { timeout: 60_000 }, async () => {
  const subject = "dex.v1.out.plug.fitbit.outcome";
  const publish = (body: string): Promise<{ seq: number }> => jetstream(fitbit.wire.nats).publish(subject, utf8(body));
  await listen(fitbit, "outcomes", 1000, async (next) => {
    const good = await fitbit.credit("bob.hubat.net", steps(5));
    assert.equal((await next()).kind, "outcomes");
    const { seq } = await publish(JSON.stringify([good, { ...good, status: "danced" }, good]));
    const told = await next();
    assert.ok(told.kind === "outcomes");
    assert.deepEqual(told.outcomes.map((it) => it.exchange), [good.exchange, good.exchange]);
    const bad = await next();
    assert.ok(bad.kind === "bad");
    assert.deepEqual([bad.sequence, bad.error.subject, bad.error.fault], [seq, subject, "body"]);
    assert.match(bad.error.why, /^outcome 2 of 3: .*status/);
    for (const body of ["{", "[7]"]) {
      await publish(body);
      assert.equal((await next()).kind, "bad");
    }
    await pause(1500); // none of them is brought again, and what follows comes
    const sent = await fitbit.credit("bob.hubat.net", steps(6));
    const item = await next();
    assert.ok(item.kind === "outcomes" && item.outcomes[0]?.exchange === sent.exchange);
  });
  const waiting = fitbit.conclude("hat:bob.hubat.net", ["credit", "fitbit"], steps(7), 3000);
  setTimeout(() => void publish("[7]"), 1000);
  await assert.rejects(waiting, (error) => error instanceof NoOutcome && /outcome 1 of 1/.test(String(error.cause)));
});
