/** Against a real exchange: keys, credit, debit, receipts, pull, recall, outcomes, queries, proofs, large content. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile, mkdir, chmod } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { jetstreamManager } from "@nats-io/jetstream";

import { KeyError, NoOutcome, QueryRefused, Refused, SigningKey, connect, digestOf, isFinal, leafHash, loadKey, openCheckpoint, rootOf, storeKey, verifyOutcome } from "../src/node.js";
import type { Client, Delivery, Item, Inbox, Outcome } from "../src/node.js";
import { fromHex, toHex, utf8 } from "../src/bytes.js";
import { Exchange, PACKAGE, STEPS } from "./harness.js";

let exchange: Exchange;
let cast: { operator: Client; bob: Client; fitbit: Client; acme: Client };
const steps = (n: number): { endpoint: string; data: { steps: number } }[] => [{ endpoint: "fitbit/steps", data: { steps: n } }];

before(async () => {
  exchange = await Exchange.start();
  cast = await exchange.cast();
});
after(async () => exchange?.stop());

/** The next item of this kind; others are passed over. */
async function next<K extends Item["kind"]>(inbox: AsyncIterator<Item>, kind: K): Promise<Extract<Item, { kind: K }>> {
  for (;;) {
    const { value, done } = await inbox.next();
    assert.ok(done !== true, "the inbox ended");
    assert.notEqual((value as Item).kind, "bad", String((value as { error?: unknown }).error));
    if ((value as Item).kind === kind) return value as Extract<Item, { kind: K }>;
  }
}

async function withInbox<T>(client: Client, work: (items: AsyncIterator<Item>, inbox: Inbox) => Promise<T>): Promise<T> {
  const inbox = await client.inbox();
  const items = inbox[Symbol.asyncIterator]();
  try {
    return await work(items, inbox);
  } finally {
    await items.return?.();
  }
}

/** Accepts; what other tests have left, and ended, is answered late. */
async function settle(delivery: Delivery): Promise<Outcome | undefined> {
  try {
    return await delivery.accept();
  } catch (error) {
    if (!refused("wrong-state")(error)) throw error;
    return undefined;
  }
}

const refused = (reason: string) => (error: unknown): boolean => error instanceof Refused && error.reason === reason;

test("key files are those of dex keys", async () => {
  const made = await exchange.key("probe");
  assert.equal((await exchange.dex("keys", "show", exchange.path("probe.key"))).trim(), made.publicKey);
  const ours = SigningKey.generate();
  await storeKey(exchange.path("ours.key"), ours);
  assert.equal((await exchange.dex("keys", "show", exchange.path("ours.key"))).trim(), ours.publicKey);
  await assert.rejects(storeKey(exchange.path("ours.key"), made), { code: "EEXIST" });
  await chmod(exchange.path("ours.key"), 0o644);
  await assert.rejects(loadKey(exchange.path("ours.key")), KeyError);
  assert.ok(!String(ours).includes(ours.seedText()) && !JSON.stringify({ ours }).includes(ours.seedText()));
});

test("a credit settles, and both outcomes are proved offline", async () => {
  const { bob, fitbit } = cast;
  const sent = await fitbit.credit("bob.hubat.net", steps(9120), { wantProof: true });
  assert.equal(sent.status, "accepted");
  const { trust } = fitbit;
  assert.ok(trust.keys !== "broker");
  const root = { origin: trust.origin, keys: trust.keys };
  const proved = verifyOutcome(sent, root);
  assert.deepEqual([proved.to, proved.entry.event, proved.entry.entity], ["plug:fitbit", "Opened", "hat:bob.hubat.net"]);
  assert.throws(() => verifyOutcome({ ...sent, status: "settled" }, root), { name: "ProofError" });

  await withInbox(bob, async (items) => {
    const delivery = await next(items, "delivery");
    assert.deepEqual([delivery.id, delivery.source, delivery.authority, delivery.count], [sent.delivery, "plug:fitbit", "plug:fitbit", 1]);
    assert.deepEqual(delivery.records, steps(9120));
    const receipt = await delivery.accept();
    assert.equal(receipt.status, "settled");
    // The same receipt again is late.
    await assert.rejects(bob.receipt("dex.v1.in.hat.bob_hubat_net.receipt", delivery.receiptOf("accepted")), refused("wrong-state"));
  });

  const trace = await fitbit.query("exchange.trace", { id: sent.exchange });
  assert.equal(trace.status, "settled");
  const leaf = trace.steps.at(-1)?.leaf ?? -1;
  const proof = await fitbit.query("ledger.proof", { leaf });
  const tree = openCheckpoint(proof.checkpoint, root);
  const found = rootOf(leafHash(fromHex(proof.commitment)), BigInt(leaf), BigInt(proof.treeSize), proof.path.map(fromHex));
  assert.ok(found !== undefined && toHex(found) === proof.root);
  assert.equal(toHex(tree.root), proof.root);
});

test("an outcome with its proof is good for dex verify, too", async () => {
  const sent = await cast.fitbit.credit("bob.hubat.net", steps(1), { wantProof: true });
  await writeFile(exchange.path("outcome.json"), JSON.stringify(sent));
  const key = cast.fitbit.trust.keys[0] ?? "";
  assert.match(await exchange.dex("verify", exchange.path("outcome.json"), "--dex-key", key), /good: outcome of dex.test/);
});

test("a repeated message gets its first outcome; another one under its id is a conflict", async () => {
  const { fitbit } = cast;
  const id = fitbit.messageId();
  const first = await fitbit.credit("bob.hubat.net", steps(2), { id });
  const again = await fitbit.credit("bob.hubat.net", steps(2), { id });
  assert.deepEqual(again, first);
  await assert.rejects(fitbit.credit("bob.hubat.net", steps(3), { id }), refused("conflict"));
});

test("refusals have their reason; queries too", async () => {
  const { fitbit, acme } = cast;
  await assert.rejects(fitbit.credit("bob.hubat.net", [{ endpoint: "facebook/feed", data: 1 }]), refused("outside-namespace"));
  await assert.rejects(fitbit.credit("nobody.hubat.net", steps(1)), refused("unknown-party"));
  await assert.rejects(fitbit.send("hat:bob.hubat.net", ["dance"]), refused("malformed"));
  const stranger = fitbit.speaking("plug:fitbit", SigningKey.generate());
  await assert.rejects(stranger.credit("bob.hubat.net", steps(1)), (error) => refused("bad-signature")(error) && (error as Refused).outcome === undefined);
  await assert.rejects(fitbit.query("hat.show", { hat: "nobody.hubat.net" }), (error) => error instanceof QueryRefused && error.reason === "not-found");
  await assert.rejects(acme.speaking("org:acme").register({}), { name: "ArgumentError" });
});

test("a debit: proposed, enabled, released, fanned out, pulled, refused, disabled", async () => {
  const { bob, acme } = cast;
  await acme.proposeDebit("bob.hubat.net", "acme.steps", STEPS);
  await assert.rejects(bob.release("acme.steps", steps(1)), refused("debit-not-active"));
  await bob.enableDebit("acme.steps", { revision: 1 });
  await assert.rejects(bob.enableDebit("acme.steps", { revision: 7 }), Refused);
  assert.ok((await acme.query("debit.show", { hat: "bob.hubat.net", debit: "acme.steps" })).active);

  await withInbox(acme, async (items) => {
    const released = await bob.release("acme.steps", steps(4));
    const first = await next(items, "delivery");
    assert.deepEqual([first.id, first.authority, first.source], [released.delivery, "debit:acme.steps", "hat:bob.hubat.net"]);
    assert.equal((await first.refuse("not needed")).status, "disputed");

    const fanned = await bob.data([...steps(5), { endpoint: "fitbit/heart", data: {} }]);
    const second = await next(items, "delivery");
    assert.deepEqual(second.records, steps(5));
    assert.notEqual(second.digestIn, undefined, "a bundle made another body of it");
    assert.equal((await second.accept()).status, "settled");
    assert.equal(fanned.parts?.length, 1);

    await withInbox(bob, async (asked) => {
      const pull = await acme.pull("bob.hubat.net", "acme.steps", { limit: 1 });
      const request = await next(asked, "request");
      assert.deepEqual([request.pull, request.debit, request.ask], [pull.exchange, "acme.steps", { limit: 1 }]);
      await request.release([...steps(6), ...steps(7)]);
      const answer = await next(items, "delivery");
      assert.deepEqual([answer.pull, answer.count], [pull.exchange, 1]);
      await answer.accept();
    });
  });
  await bob.disableDebit("acme.steps");
  await assert.rejects(bob.release("acme.steps", steps(1)), refused("debit-ended"));
});

test("a recall is asked of the recipient, who gives it back", async () => {
  const { bob, fitbit } = cast;
  await withInbox(bob, async (items) => {
    const sent = await fitbit.credit("bob.hubat.net", steps(8));
    let delivery: Delivery;
    do delivery = await next(items, "delivery");
    while (delivery.id !== sent.delivery);
    await fitbit.recall("bob.hubat.net", sent.exchange);
    const recall = await next(items, "recall");
    assert.equal(recall.delivery, sent.delivery);
    const outcome = await recall.answer(delivery.receiptOf("returned"));
    assert.equal(outcome.status, "recalled");
  });
});

test("an inbox goes on when its consumer is lost", async () => {
  const { bob, fitbit } = cast;
  await withInbox(bob, async (items) => {
    await fitbit.credit("bob.hubat.net", steps(20));
    await next(items, "delivery");
    await (await jetstreamManager(bob.wire.nats)).consumers.delete("DEX_OUT", "hat-bob_hubat_net");
    const sent = await fitbit.credit("bob.hubat.net", steps(21));
    let delivery: Delivery;
    do delivery = await next(items, "delivery");
    while (delivery.id !== sent.delivery);
    assert.equal((await delivery.accept()).status, "settled");
  });
});

test("conclude waits for the final outcome, and says what is still open", async () => {
  const { bob, fitbit } = cast;
  const ended = fitbit.conclude("hat:bob.hubat.net", ["credit", "fitbit"], steps(10), 20_000);
  for await (const delivery of bob.deliveries()) {
    await settle(delivery);
    if ((delivery.records[0]?.data as { steps: number }).steps === 10) break;
  }
  const { first, last } = await ended;
  assert.deepEqual([first.status, last.length, last[0]?.status, last[0]?.exchange], ["accepted", 1, "settled", first.exchange]);
  await assert.rejects(fitbit.conclude("hat:bob.hubat.net", ["credit", "fitbit"], steps(11), 1500), NoOutcome);
});

test("many at once, each settled once", async () => {
  const { bob, fitbit } = cast;
  const all = Promise.all(Array.from({ length: 60 }, (_, n) => fitbit.credit("bob.hubat.net", steps(1000 + n), { deadline: new Date(Date.now() + 60_000) })));
  const wanted = new Set(Array.from({ length: 60 }, (_, n) => 1000 + n));
  const receipts: Promise<Outcome | undefined>[] = [];
  const seen = new Set<string>();
  for await (const delivery of bob.deliveries()) {
    assert.ok(!seen.has(delivery.id), "handed out once");
    seen.add(delivery.id);
    wanted.delete((delivery.records[0]?.data as { steps: number }).steps);
    receipts.push(settle(delivery));
    if (wanted.size === 0) break;
  }
  const outcomes = await Promise.all(receipts);
  assert.equal(outcomes.filter((outcome) => outcome !== undefined && isFinal(outcome.status)).length >= 60, true);
  assert.equal((await all).length, 60);
});

test("the trust bundle is checked, and lists who takes part", async () => {
  const { bundle, bytes } = await cast.fitbit.trustBundle();
  assert.ok(bundle.parties.some((it) => it.party === "plug:fitbit" && it.standing === "active"));
  await writeFile(exchange.path("bundle.json"), bytes);
  const key = cast.fitbit.trust.keys[0] ?? "";
  assert.match(await exchange.dex("verify", exchange.path("bundle.json"), "--dex-key", key), /good: trust bundle/);
});

test("large content is downloaded and checked before it is accepted", async () => {
  const { bob } = cast;
  const file = exchange.path("large.jsonl");
  const line = (n: number): string => JSON.stringify({ endpoint: "fitbit/steps", data: { n, note: `{"[ ${"x".repeat(1000)}` } });
  await writeFile(file, Array.from({ length: 700 }, (_, n) => line(n)).join("\n"));
  await exchange.dex("--as", "plug:fitbit", "--key", exchange.path("fitbit.key"), "--url", exchange.url, "send", "--to", "hat:bob.hubat.net", "--action", "credit.fitbit", "--body", `@${file}`);
  for await (const delivery of bob.deliveries()) {
    if (delivery.object === undefined) {
      await settle(delivery);
      continue;
    }
    await assert.rejects(delivery.accept(), /download/);
    const bytes = await delivery.download();
    assert.equal(digestOf(bytes), digestOf(utf8(await readFile(file, "utf8"))));
    await assert.rejects(delivery.download(1000), /more than 1000/);
    assert.equal((await delivery.accept()).status, "settled");
    break;
  }
});

test("a key that the exchange does not sign with is noticed", async () => {
  const { fitbit } = cast;
  const bob = await connect({
    url: exchange.url, party: "hat:bob.hubat.net", key: await exchange.key("bob"), origin: "dex.test", dexKey: SigningKey.generate().publicKey,
  });
  try {
    const inbox = await bob.inbox({ durable: false, onlyNew: true });
    await fitbit.credit("bob.hubat.net", steps(12));
    for await (const item of inbox) {
      if (item.kind === "outcomes") continue;
      assert.ok(item.kind === "bad" && item.error.fault === "key");
      break;
    }
    await assert.rejects(bob.deliveries({ durable: false }).next(), { name: "Unverified" });
    await assert.rejects(connect({ url: exchange.url, party: "hat:bob.hubat.net", origin: "dex.else" }), { name: "FormError" });
  } finally {
    await bob.close();
  }
});

test("the quick start of the README runs as it stands; a message is repeated through a stop of the exchange", async () => {
  const own = await Exchange.start();
  try {
    const { fitbit } = await own.cast();
    const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
    const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const statements = code.split("\n").filter((line) => line.trim() !== "");
    assert.ok(statements.length > 0 && statements.length <= 10, `${statements.length} lines`);
    assert.ok(code.includes("nats://127.0.0.1:4222"));
    await mkdir(join(PACKAGE, "build"), { recursive: true });
    // In the package's folder, so that it finds the package by its own name.
    const file = join(PACKAGE, "build", `quickstart-${process.pid}.mjs`);
    await writeFile(file, code.replace("nats://127.0.0.1:4222", own.url));
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: own.folder, timeout: 60_000 });
    assert.match(stdout, /plug:fitbit \[.*settled/s);

    // Nobody works on it while the daemon is stopped; the broker is its child and is there.
    const { pid } = own;
    process.kill(pid, "SIGSTOP");
    const sent = fitbit.credit("bob.hubat.net", steps(1), { waitMs: 30_000 });
    await assert.rejects(fitbit.credit("bob.hubat.net", steps(2), { waitMs: 1000 }), (error) => error instanceof NoOutcome && error.stored);
    process.kill(pid, "SIGCONT");
    assert.equal((await sent).status, "accepted");
  } finally {
    await own.stop();
  }
});
