/** A plug's jobs as they come: pulled from the exchange's work queue under a lease, verified, kept, ended (docs/protocol.md §5.8). */

import { jetstream } from "@nats-io/jetstream";
import type { Consumer, JsMsg } from "@nats-io/jetstream";

import { parseAddress, token } from "./address.js";
import type { Client } from "./client.js";
import { DexError, Refused, Unverified } from "./errors.js";
import type { Reason } from "./errors.js";
import { pageId, recordId } from "./jobs.js";
import type { JobError, JobWord } from "./jobs.js";
import type { Json } from "./canonical.js";
import type { DataRecord, SendOptions } from "./orders.js";
import type { Outcome } from "./outcome.js";
import { pause, quietly } from "./patience.js";
import { jsonBody } from "./received.js";
import type { Received } from "./received.js";
import { listsOf } from "./wire.js";

const STREAM = "DEX_JOBS";
const PULL_MS = 5000;
const BIND_AGAIN_MS = 1000;
/** Of a page's id: a message whose id is older than an hour is stale, so the attempt's time stands in it before that. */
const PLANNED_MAX_MS = 50 * 60_000;
/** A job that failed comes again after two seconds, four … up to this power. */
const BACK_MAX = 5;
/** Of a word that the exchange cannot take now: the first pause before it is said again, and the longest. */
const AGAIN_MS = 1000;
const AGAIN_MAX_MS = 15_000;
/** How often it is said again where the reason is no quota: each time the exchange keeps a dead letter of what it fails on. */
const AGAIN_TIMES = 3;

/** A record that a job brings, with the id by which it is applied once. */
export interface JobRecord extends DataRecord {
  readonly recordId: string;
}

/** How a job ends, beside its word. */
export interface JobEnd {
  /** How many records it brought. */
  readonly records?: number;
  /** The next attempt, or round, comes not before so many seconds. */
  readonly retryAfterSeconds?: number;
}

/** What the exchange says of a job. */
interface JobBody {
  readonly job: string;
  readonly hat: string;
  readonly plug: string;
  readonly endpoint: string;
  readonly attempt: number;
  readonly plannedAt: string;
  readonly endsAt: string;
  readonly leaseSeconds: number;
  readonly continuation?: string;
  readonly lastDoneAt?: string;
}

/** One job in hand. Work on it inside {@link Job.hold}, which keeps the lease. */
export class Job {
  readonly id: string;
  /** Whose data. */
  readonly hat: string;
  readonly plug: string;
  /** What is fetched: a name below the plug's namespace. */
  readonly endpoint: string;
  readonly attempt: number;
  readonly plannedAt: Date;
  /** After this it has lapsed. */
  readonly endsAt: Date;
  /** Within which it is kept or ended, else another worker gets it. */
  readonly leaseSeconds: number;
  /** RFC 3339. */
  readonly lastDoneAt: string | undefined;
  /** How often it was handed out, this time included. */
  readonly times: number;
  /** What was said last of where to go on. */
  continuation: string | undefined;
  readonly #takenAt = new Date();
  readonly #client: Client;
  readonly #message: JsMsg;
  #over = false;

  /**
   * @internal
   * @param waitsSeconds how long the broker waits before it gives the job to another
   */
  constructor(received: Received, client: Client, message: JsMsg, waitsSeconds: number) {
    const body = (jsonBody(received) ?? {}) as JobBody;
    const texts = [body.job, body.hat, body.plug, body.endpoint, body.plannedAt, body.endsAt];
    const times = [new Date(body.plannedAt), new Date(body.endsAt)];
    const good = texts.every((text) => typeof text === "string") && times.every((time) => !Number.isNaN(time.getTime())) && body.leaseSeconds > 0;
    if (!good || body.job !== received.id || received.subject !== `dex.v1.job.${token(body.plug)}`) {
      throw new Unverified(received.subject, "body", "the body is no job, or another one than its headers and subject say");
    }
    [this.id, this.hat, this.plug, this.endpoint] = [body.job, body.hat, body.plug, body.endpoint];
    this.attempt = body.attempt;
    // The plug's lease may have changed after this job was planned: the shorter one holds.
    this.leaseSeconds = Math.max(Math.min(waitsSeconds, body.leaseSeconds), 1);
    [this.plannedAt, this.endsAt] = times as [Date, Date];
    [this.continuation, this.lastDoneAt] = [body.continuation, body.lastDoneAt];
    this.times = message.info.deliveryCount;
    this.#client = client;
    this.#message = message;
  }

  /** Keeps the lease as long as `work` takes. When that ends without `done` or `failed`, as by an error, it is handed back. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#kept(work);
    } finally {
      // What made it fail may not have passed at once.
      if (!this.#over) this.handBack(1000 * 2 ** Math.min(this.times, BACK_MAX));
    }
  }

  /** A record that it brings. `namespace` is the plug's id if absent. */
  record(sourceId: string, data: Json, namespace: string = this.plug): JobRecord {
    return { endpoint: `${namespace}/${this.endpoint}`, recordId: recordId(this, sourceId, data), data };
  }

  /** Brings a page of records. The same page again is the same exchange. */
  async credit(records: readonly JobRecord[], options: SendOptions = {}): Promise<Outcome> {
    const now = new Date();
    const at = [this.plannedAt, this.#takenAt].find((time) => now.getTime() - time.getTime() < PLANNED_MAX_MS) ?? now;
    const id = pageId(at, this, records.map((record) => record.recordId));
    return this.#client.credit(this.hat, records, { id, job: this.id, ...options });
  }

  /** Keeps a place to go on from, for who gets it if this worker dies. No credentials and nothing of the person. */
  async progress(continuation: string, records?: number): Promise<Outcome> {
    return this.#say({ job: this.id, status: "progress", continuation, ...(records === undefined ? {} : { records }) });
  }

  /**
   * It is done. `continuation` is for the next round; `undefined` leaves the one before, `null` forgets it. What the exchange
   * cannot take now is said again: beyond a quota until the job's end, after a failure of its own three times.
   * @throws {@link Refused}. With an outcome it is off the queue; without one, or after those three times, the job comes again
   */
  async done(continuation?: string | null, more: JobEnd = {}): Promise<Outcome> {
    return this.#end({ job: this.id, status: "done", ...(continuation === undefined ? {} : { continuation }), ...more });
  }

  /** It failed: another attempt is planned. Said again and refused as {@link Job.done}. */
  async failed(error: JobError, more: JobEnd = {}): Promise<Outcome> {
    return this.#end({ job: this.id, status: "failed", error, ...more });
  }

  /** Another worker may have it, at once or after so many milliseconds. */
  handBack(afterMs?: number): void {
    quietly(() => this.#message.nak(afterMs));
  }

  /** Keeps the lease as long as `work` takes. */
  async #kept<T>(work: () => Promise<T>): Promise<T> {
    // While the broker is away it cannot be told: the next time, or the lease lapses.
    const timer = setInterval(() => quietly(() => this.#message.working()), (this.leaseSeconds * 1000) / 3);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** Says a word, again where the exchange cannot take it now: each time under an id of its own, said twice it changes nothing. */
  async #say(word: JobWord): Promise<Outcome> {
    return this.#kept(async () => {
      for (let [times, ms] = [0, AGAIN_MS]; ; [times, ms] = [times + 1, Math.min(2 * ms, AGAIN_MAX_MS)]) {
        try {
          return await this.#client.reportJob(this.hat, word);
        } catch (error) {
          if (!(error instanceof Refused) || !passes(error.reason, times) || this.#lapsed) throw error;
        }
        await pause(ms);
      }
    });
  }

  async #end(word: JobWord): Promise<Outcome> {
    try {
      const outcome = await this.#say(word);
      this.#acknowledge();
      return outcome;
    } catch (error) {
      // With an outcome it is not this worker's any more. Without one the exchange does not know who spoke, and what passes may
      // have passed when the job comes again.
      if (error instanceof Refused && (this.#lapsed || (error.outcome !== undefined && !passes(error.reason, 0)))) this.#acknowledge();
      throw error;
    }
  }

  get #lapsed(): boolean {
    return this.endsAt.getTime() <= Date.now();
  }

  #acknowledge(): void {
    this.#over = true;
    // If the broker is away it comes once more, and is found to be over then.
    quietly(() => this.#message.ack());
  }
}

/** Whether the exchange may take the same word a moment later; it was refused `times` before. */
function passes(reason: Reason, times: number): boolean {
  if (reason === "over-quota" || reason === "recipient-over-quota") return true;
  return (reason === "internal" || reason === "stale" || reason === "conflict") && times < AGAIN_TIMES;
}

/**
 * The jobs of the plug that a client speaks for, as they come; several may be in hand. It never ends by itself: `break` ends it.
 * @throws {@link Unverified} for one that is not the exchange's, which is off the queue
 */
export async function* jobsOf(client: Client): AsyncGenerator<Job, void, undefined> {
  const { nats } = client.wire;
  const name = `plug_${token(parseAddress(client.party).id)}`;
  let consumer: Consumer | undefined;
  let waitsSeconds = Infinity;
  while (!nats.isClosed()) {
    let message: JsMsg | null;
    try {
      // The exchange makes it with the plug's first job.
      if (consumer === undefined) {
        consumer = await jetstream(nats).consumers.get(STREAM, name);
        waitsSeconds = ((await consumer.info(true)).config.ack_wait ?? Infinity) / 1e9;
      }
      message = await consumer.next({ expires: PULL_MS });
    } catch {
      consumer = undefined;
      await pause(BIND_AGAIN_MS);
      continue;
    }
    if (message === null) continue;
    const job = read(client, message, waitsSeconds);
    if (job.endsAt.getTime() <= Date.now()) {
      message.ack(); // it has lapsed
      continue;
    }
    if (job.times > 1) await goOn(client, job);
    yield job;
  }
}

function read(client: Client, message: JsMsg, waitsSeconds: number): Job {
  try {
    return new Job(client.verifier.check(message.subject, listsOf(message.headers), message.data), client, message, waitsSeconds);
  } catch (error) {
    message.term();
    throw error;
  }
}

/** Somebody had it before: where that one has got to. */
async function goOn(client: Client, job: Job): Promise<void> {
  try {
    const told = (await client.query("plug.jobs", { plug: job.plug, hat: job.hat })) as { items: readonly { job?: string; continuation?: string }[] };
    job.continuation = told.items.find((item) => item.job === job.id)?.continuation ?? job.continuation;
  } catch (error) {
    // Then some of it is fetched twice, and applied once.
    if (!(error instanceof DexError)) throw error;
  }
}
