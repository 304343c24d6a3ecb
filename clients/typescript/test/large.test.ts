/** Large content: counted and cut piece by piece, uploaded by a broker that stumbles, and sent to a real exchange. */

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { headers } from "@nats-io/nats-core";
import type { NatsConnection } from "@nats-io/nats-core";

import { Refused, digestOf, referenceTo, verifyOutcome } from "../src/node.js";
import type { Client, Delivery, LargeObject, Source } from "../src/node.js";
import { concat, textOf, utf8 } from "../src/bytes.js";
import { CHUNK_BYTES, download } from "../src/large.js";
import { Tally } from "../src/records.js";
import { chunksOf, upload } from "../src/upload.js";
import { Exchange, STEPS } from "./harness.js";

const TEXT = `{"endpoint": "a/b", "data": {"n": "\\\\\\"]}{[ \\\\", "m": [{}, "é"]}}`;
const MANY = utf8(`[${Array.from({ length: 20_000 }, () => TEXT).join(",")}]`);

/** Keeps chunks as the stream does; `answers` are what it says first, in place of its own. */
class Broker {
  readonly chunks = new Map<string, Uint8Array>();
  asked = 0;
  most = 0;
  #underWay = 0;

  constructor(readonly answers: (Error | object)[] = []) {}

  async request(subject: string, payload: Uint8Array | undefined, options: { headers?: { get(name: string): string } }): Promise<object> {
    this.asked += 1;
    this.most = Math.max(this.most, ++this.#underWay);
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.#underWay -= 1;
    const answer = this.answers.shift();
    if (answer instanceof Error) throw answer;
    const [, got] = /^\$JS\.API\.DIRECT\.GET\.OBJ_DEX_LARGE_OUT\.(.*)$/.exec(subject) ?? [];
    if (got !== undefined) {
      const data = this.chunks.get(got);
      return data === undefined ? { data: new Uint8Array(), headers: headers(404, "Message Not Found") } : { data };
    }
    assert.equal(options.headers?.get("Nats-Expected-Last-Subject-Sequence"), "0");
    const said = this.chunks.has(subject) ? { error: { err_code: 10071 } } : (answer ?? { seq: 1 });
    if (answer === undefined && payload !== undefined && !this.chunks.has(subject)) this.chunks.set(subject, payload);
    return { data: utf8(JSON.stringify(said)) };
  }

  upload(source: Source): Promise<LargeObject> {
    return upload(this as unknown as NatsConnection, "hat:bob.hubat.net", source);
  }
}

const refusal = (code: number): object => ({ error: { err_code: code, description: "no" } });

test("records are counted wherever the content is cut", () => {
  for (const [text, count] of [[TEXT, 1], [`[${TEXT},\n${TEXT}]`, 2], [`${TEXT}\n${TEXT} ${TEXT}\n`, 3], ["[]", 0], ["", 0]] as const) {
    const body = utf8(text);
    for (let size = 1; size <= body.length; size++) {
      const tally = new Tally();
      for (let at = 0; at < body.length; at += size) tally.push(body.subarray(at, at + size));
      assert.deepEqual([tally.size, tally.count, tally.digest(), tally.whole], [body.length, count, digestOf(body), count > 0], `${text} ${size}`);
    }
  }
  for (const text of [TEXT.slice(0, -1), TEXT.slice(0, 40), `[${TEXT}`, `${TEXT}]`]) {
    const tally = new Tally();
    tally.push(utf8(text));
    assert.ok(!tally.whole, text);
  }
});

test("every source is cut alike", async () => {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const reused = new Uint8Array(777);
    for (let at = 0; at < MANY.length; at += 777) {
      const piece = MANY.subarray(at, at + 777);
      reused.set(piece);
      yield reused.subarray(0, piece.length); // filled anew the next time
    }
  }
  const cut = async (source: Source): Promise<Uint8Array[]> => {
    const all: Uint8Array[] = [];
    for await (const chunk of chunksOf(source)) all.push(chunk);
    return all;
  };
  const cuts = await Promise.all([cut(MANY), cut(new Blob([textOf(MANY)])), cut(pieces()), cut([MANY.subarray(0, 1), MANY.subarray(1)])]);
  for (const chunks of cuts) {
    assert.equal(digestOf(concat(...chunks)), digestOf(MANY));
    assert.ok(chunks.length > 5 && chunks.slice(0, -1).every((chunk) => chunk.length === CHUNK_BYTES));
  }
  await assert.rejects(cut(["text"] as unknown as Uint8Array[]), { name: "ArgumentError" });
});

test("a stream of single bytes is cut too, and a chunk stays as it was handed out", async () => {
  function* bytes(): Generator<Uint8Array> {
    const one = new Uint8Array(1);
    for (let n = 0; n < 2 * CHUNK_BYTES + 3; n++) {
      one[0] = n % 251;
      yield one;
    }
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(bytes())) chunks.push(chunk);
  assert.deepEqual(chunks.map((chunk) => chunk.length), [CHUNK_BYTES, CHUNK_BYTES, 3]);
  assert.ok(concat(...chunks).every((byte, n) => byte === n % 251));
});

test("a few chunks are under way, and no more is read", async () => {
  const broker = new Broker();
  let read = 0;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < MANY.length; at += CHUNK_BYTES) {
      read += 1;
      assert.ok(read - broker.chunks.size <= 10, `${read} read, ${broker.chunks.size} stored`);
      yield MANY.subarray(at, at + CHUNK_BYTES);
    }
  }
  const made = await broker.upload(pieces());
  assert.ok(broker.most <= 8);
  assert.deepEqual([made.size, made.digest, made.count, made.chunks], [MANY.length, digestOf(MANY), 20_000, read]);
  const stored = Array.from({ length: made.chunks }, (_, n) => broker.chunks.get(`$O.DEX_LARGE_IN.C.hat.bob_hubat_net.${made.id}.${n}`));
  assert.equal(digestOf(concat(...stored.map((chunk) => chunk ?? new Uint8Array()))), made.digest);
  assert.match(made.id, /^.{14}4.{4}[89ab]/, "a random UUID");
});

test("a chunk is repeated until the broker confirms it, and what is no content is refused", async () => {
  // No answer, the bucket full, and one that was stored though its acknowledgement was lost.
  const broker = new Broker([new Error("timeout"), refusal(10077), refusal(10071)]);
  assert.equal((await broker.upload(utf8(TEXT))).chunks, 1);
  assert.equal(broker.asked, 3);
  await assert.rejects(new Broker([refusal(10054)]).upload(MANY), { name: "BrokerError" });
  for (const bad of ["", "[]", "1", TEXT.slice(0, -1)]) await assert.rejects(new Broker().upload(utf8(bad)), { name: "ArgumentError" }, bad);
});

test("what is downloaded is what was promised", async () => {
  const broker = new Broker();
  const made = await broker.upload(MANY);
  for (const [subject, chunk] of [...broker.chunks]) broker.chunks.set(subject.replace("_IN", "_OUT"), chunk);
  broker.answers.push(new Error("timeout"));
  broker.most = 0;
  let came: Uint8Array[] = [];
  const get = async (change: Partial<LargeObject>): Promise<void> => {
    came = [];
    await download(broker as unknown as NatsConnection, "hat:bob.hubat.net", { ...made, ...change }, (piece) => void came.push(piece));
  };
  await get({});
  assert.equal(digestOf(concat(...came)), made.digest);
  assert.ok(broker.most <= 4);
  for (const change of [{ size: made.size - 1 }, { digest: "0".repeat(64) }, { count: 1 }]) {
    await assert.rejects(get(change), /differ/);
    assert.ok(concat(...came).length <= (change.size ?? made.size));
  }
  await assert.rejects(get({ chunks: made.chunks + 1 }), /is not there/);
});

const LINES = Array.from({ length: 700 }, (_, n) => JSON.stringify({ endpoint: "fitbit/steps", data: { n, note: `{"[ ${"x".repeat(1000)}` } }));
const BODY = utf8(LINES.join("\n"));
const RECORDS = LINES.map((line) => JSON.parse(line) as unknown);
let exchange: Exchange;
let cast: { operator: Client; bob: Client; fitbit: Client; acme: Client };

before(async () => {
  exchange = await Exchange.start();
  cast = await exchange.cast();
  await cast.acme.proposeDebit("bob.hubat.net", "acme.steps", STEPS);
  await cast.bob.enableDebit("acme.steps");
});
after(async () => exchange?.stop());

/** Runs `work` with what is delivered from now on. */
async function receiving<T>(client: Client, work: (next: (id?: string) => Promise<Delivery>) => Promise<T>): Promise<T> {
  const inbox = await client.inbox({ topic: "deliveries", durable: false, onlyNew: true });
  const items = inbox[Symbol.asyncIterator]();
  const next = async (id?: string): Promise<Delivery> => {
    for (;;) {
      const { value } = await items.next();
      if (value?.kind === "delivery" && (id === undefined || value.id === id)) return value;
    }
  };
  try {
    return await work(next);
  } finally {
    await items.return?.();
  }
}

test("a file is credited and comes byte for byte", { timeout: 60_000 }, async () => {
  const { bob, fitbit } = cast;
  const file = exchange.path("large.jsonl");
  await writeFile(file, BODY);
  await receiving(bob, async (next) => {
    const sent = await fitbit.creditLarge("bob.hubat.net", createReadStream(file));
    assert.deepEqual([sent.status, sent.digestIn, sent.digestOut, sent.count], ["accepted", digestOf(BODY), digestOf(BODY), 700]);
    const delivery = await next(sent.delivery);
    const pieces: Uint8Array[] = [];
    await delivery.downloadTo(async (piece) => void pieces.push(piece));
    assert.ok(pieces.length > 1);
    assert.equal(digestOf(concat(...pieces)), digestOf(BODY));
    assert.equal((await delivery.accept()).status, "settled");
  });
});

test("what is not as it was signed is refused", { timeout: 60_000 }, async () => {
  const { fitbit } = cast;
  const sent = async (change: Partial<LargeObject>, by = "fitbit"): Promise<unknown> =>
    fitbit.sendObject("hat:bob.hubat.net", ["credit", by], { ...(await fitbit.upload(BODY)), ...change });
  const refused = (reason: string) => (error: unknown): boolean => error instanceof Refused && error.reason === reason;
  await assert.rejects(sent({ digest: "0".repeat(64) }), refused("digest-mismatch"));
  await assert.rejects(sent({ count: 699 }), refused("count-mismatch"));
  await assert.rejects(sent({ id: "0f8fad5b-d9cb-469f-a165-70867728950e" }), refused("not-found"));
  await assert.rejects(sent({}, "other"), refused("not-permitted"));
});

test("a release, data to all debits, and the answer to a pull", { timeout: 60_000 }, async () => {
  const { bob, acme } = cast;
  await receiving(acme, async (next) => {
    const released = await bob.releaseLarge("acme.steps", new Blob([textOf(BODY)]));
    assert.deepEqual([released.status, released.count], ["accepted", 700]);
    const first = await next(released.delivery);
    assert.deepEqual(JSON.parse(textOf(await first.download())), RECORDS);
    await first.accept();

    const fanned = await bob.dataLarge(BODY);
    assert.deepEqual([fanned.status, fanned.parts?.map((part) => part.debit)], ["accepted", ["acme.steps"]]);
    const second = await next();
    await second.download();
    await second.accept();

    // The parts are known only once it was fetched; their ends are waited for.
    const uploaded = referenceTo(await bob.upload(BODY));
    const ends = bob.conclude(bob.party, ["data"], uploaded, 30_000, { wantProof: true });
    const third = await next();
    await third.download();
    await third.accept();
    const ended = await ends;
    assert.deepEqual([ended.first.status, ended.last.map((it) => it.status)], ["pending", ["settled"]]);
    assert.ok(bob.trust.keys !== "broker");
    const { entry } = verifyOutcome(ended.first, { origin: bob.origin, keys: bob.trust.keys });
    assert.deepEqual([entry.event, entry.fields["debits"]], ["Fetching", ["acme.steps"]]);

    const asked = await bob.inbox({ durable: false, onlyNew: true });
    const pull = await acme.pull("bob.hubat.net", "acme.steps");
    for await (const item of asked) {
      if (item.kind !== "request") continue;
      await item.releaseLarge(BODY);
      break;
    }
    const answer = await next();
    assert.deepEqual([answer.pull, answer.count], [pull.exchange, 700]);
    await answer.download();
    assert.equal((await answer.accept()).status, "settled");
  });
});
