/** What comes to a party: by a pull consumer of its own on `DEX_OUT`, verified, handed out once (docs/protocol.md §7). */

import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { Consumer, ConsumerConfig, ConsumerInfo, ConsumerMessages, JetStreamClient, JsMsg } from "@nats-io/jetstream";

import { subjectOut, token, parseAddress } from "./address.js";
import { textOf } from "./bytes.js";
import type { Client } from "./client.js";
import { Delivery, readDelivery } from "./delivery.js";
import { DexError, Unverified } from "./errors.js";
import { randomUuid } from "./ids.js";
import type { LargeOptions, Receipt, SendOptions, DataRecord, PullAsk } from "./orders.js";
import { readOutcome } from "./outcome.js";
import type { Outcome } from "./outcome.js";
import { pause } from "./patience.js";
import { addressField, field, jsonBody, receiptTo } from "./received.js";
import type { Received } from "./received.js";
import { Hold, Seen } from "./seen.js";
import type { Source } from "./upload.js";
import { asDexError, listsOf } from "./wire.js";

export { Delivery } from "./delivery.js";

const STREAM = "DEX_OUT";
/** A consumer that nobody reads goes after so long. */
const INACTIVE_NS = 3600 * 1e9;
/** Messages that one pull brings at most. */
const BATCH = 32;
/** How long a pull waits at the broker. */
const PULL_MS = 5000;
const REOPEN_FIRST_MS = 100;
const REOPEN_MAX_MS = 5000;
const HELD_MIN_MS = 50;

/** How an inbox reads. */
export interface InboxOptions {
  /** Which messages: all of the party's (the default), or those of one topic alone. */
  readonly topic?: "all" | "deliveries" | "outcomes" | "notices";
  /**
   * Durable (the default): what was not answered comes again to the next inbox of this party and topic, for an hour. Not
   * durable: the consumer is this inbox's alone.
   */
  readonly durable?: boolean;
  /** Only what comes from now on; a durable consumer that is there already goes on where it was. */
  readonly onlyNew?: boolean;
  /**
   * Milliseconds after which a delivery that was not answered is brought and handed out again, unless its holder says that it
   * is `working`; 60,000 if absent. A durable consumer that is there already keeps its own time.
   */
  readonly answerWithinMs?: number;
}

/** A client pulls: answer with a release. Taken off the broker when handed out; the exchange repeats it until its deadline. */
export interface Request {
  readonly kind: "request";
  /** The client of the debit. */
  readonly source: string;
  readonly debit: string;
  /** `Dex-Pull`. */
  readonly pull: string;
  readonly ask: PullAsk;
  readonly deadline: string;
  /** Answers with these records, under the debit that was named. */
  release(records: DataRecord | readonly DataRecord[], options?: SendOptions): Promise<Outcome>;
  /** Answers with content that is larger than a message may be. */
  releaseLarge(content: Source, options?: LargeOptions): Promise<Outcome>;
}

/** A sender wants a delivery back. */
export interface Recall {
  readonly kind: "recall";
  readonly delivery: string;
  /** Answers; the verdict `returned` over the delivery's digest and count gives it back. */
  answer(receipt: Receipt): Promise<Outcome>;
}

/** What became of own messages and exchanges. They may repeat: apply by `exchange` and `status`. */
export interface Outcomes {
  readonly kind: "outcomes";
  readonly outcomes: readonly Outcome[];
}

/** A notice, or how a plug and a HAT stand to each other, or anything that a later version tells: verified. */
export interface Told {
  readonly kind: "notice" | "connection" | "other";
  readonly topic: string;
  readonly body: unknown;
  readonly message: Received;
}

/**
 * A message that was not taken: tell the operator. One that was not verified is not acknowledged and comes again, for it may
 * be the key known here that is wrong. An outcome that cannot be read will never be another: it is taken off the broker, and
 * stands in the stream until its end.
 */
export interface Bad {
  readonly kind: "bad";
  readonly error: Unverified;
  /** Its number in the stream `DEX_OUT`. */
  readonly sequence: number;
}

/** One message for a party. */
export type Item = Delivery | Request | Recall | Outcomes | Told | Bad;

/** A party's messages. It ends when it is closed, or its loop is left; a lost connection or consumer is made anew. */
export class Inbox implements AsyncIterable<Item> {
  readonly #client: Client;
  readonly #options: InboxOptions;
  readonly #seen = new Seen();
  #consumer: Consumer | undefined;
  #pull: ConsumerMessages | undefined;
  #closed = false;
  #queue: JsMsg[] = [];
  #wake: (() => void) | undefined;
  #readTo: Date | undefined;

  private constructor(client: Client, options: InboxOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Opens the consumer. */
  static async open(client: Client, options: InboxOptions): Promise<Inbox> {
    const inbox = new Inbox(client, options);
    try {
      inbox.#consumer = await inbox.#open();
    } catch (error) {
      throw asDexError(error);
    }
    return inbox;
  }

  /** Ends it: what is in hand may still be answered, what was not handed out comes again. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pull?.stop();
    for (const message of this.#queue.splice(0)) message.nak();
    this.#wake?.();
    if (this.#options.durable === false) {
      // It would go by itself after the inactive threshold.
      this.#consumer?.delete().catch(() => undefined);
    }
  }

  #filters(): [string[], string] {
    const { party } = this.#client;
    const { kind, id } = parseAddress(party);
    const name = `${kind}-${token(id)}`;
    switch (this.#options.topic ?? "all") {
      case "deliveries": {
        const own = subjectOut(party, "delivery");
        return [[`${own}.>`, own], `${name}-deliveries`];
      }
      case "outcomes":
        return [[subjectOut(party, "outcome")], `${name}-outcomes`];
      case "notices":
        return [[subjectOut(party, "notice")], `${name}-notices`];
      default:
        return [[`${subjectOut(party)}.>`], name];
    }
  }

  async #open(): Promise<Consumer> {
    const { nats } = this.#client.wire;
    const [filters, name] = this.#filters();
    const manager = await jetstreamManager(nats, { checkAPI: false });
    const streams = jetstream(nats);
    const durable = this.#options.durable !== false;
    if (durable) {
      // One that is there goes on as it is: its start must not be changed.
      const there = await manager.consumers.info(STREAM, name).catch(() => undefined);
      if (there !== undefined) return this.#waits(there, streams);
    }
    const [filter, ...more] = filters;
    const config: Partial<ConsumerConfig> = {
      ack_policy: AckPolicy.Explicit,
      ack_wait: (this.#options.answerWithinMs ?? 60_000) * 1e6,
      inactive_threshold: INACTIVE_NS,
      deliver_policy: DeliverPolicy.All,
      ...(more.length > 0 ? { filter_subjects: filters } : { filter_subject: filter ?? "" }),
      // By a name too: then the filter stands in the request's subject, where the broker's permissions see it.
      ...(durable ? { durable_name: name } : { name: `${name}-${randomUuid()}` }),
    };
    if (this.#readTo !== undefined) {
      config.deliver_policy = DeliverPolicy.StartTime;
      config.opt_start_time = this.#readTo.toISOString();
    } else if (this.#options.onlyNew === true) {
      config.deliver_policy = DeliverPolicy.New;
    }
    const made = await manager.consumers.add(STREAM, config);
    if (this.#options.onlyNew === true && !durable) this.#readTo = new Date(made.created);
    return this.#waits(made, streams);
  }

  /** Deliveries are held as long as the broker waits: a consumer that was here before may have a time of its own. */
  #waits(consumer: ConsumerInfo, streams: JetStreamClient): Promise<Consumer> {
    this.#seen.holdMs = (consumer.config.ack_wait ?? (this.#options.answerWithinMs ?? 60_000) * 1e6) / 1e6;
    return streams.consumers.get(STREAM, consumer.name);
  }

  /** Fills the queue by one pull after the other; each waits until the queue is worked off. */
  async #pump(): Promise<void> {
    let wait = REOPEN_FIRST_MS;
    while (!this.#closed) {
      try {
        this.#consumer ??= await this.#open();
        const pull = await this.#consumer.fetch({ max_messages: BATCH, expires: PULL_MS });
        this.#pull = pull;
        if (this.#closed) pull.stop();
        for await (const message of pull) {
          wait = REOPEN_FIRST_MS;
          if (this.#closed) message.nak();
          else this.#queue.push(message);
          this.#wake?.();
        }
        while (this.#queue.length > 0 && !this.#closed) await new Promise<void>((resolve) => (this.#drained = resolve));
      } catch {
        // The broker or the consumer was away: another one is made.
        this.#consumer = undefined;
        if (this.#client.wire.nats.isClosed()) {
          this.close();
          return;
        }
        await pause(wait);
        wait = Math.min(2 * wait, REOPEN_MAX_MS);
      }
    }
  }
  #drained: (() => void) | undefined;

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    const pump = this.#pump();
    try {
      for (;;) {
        const message = this.#queue.shift();
        if (message === undefined) {
          if (this.#closed) return;
          this.#drained?.();
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        if (this.#options.durable === false) this.#readTo = message.time;
        yield* this.#take(message);
      }
    } finally {
      this.close();
      this.#drained?.();
      await pump;
    }
  }

  /** Reads one message; nothing to hand out when it was answered already, or is in hand. */
  #take(message: JsMsg): readonly Item[] {
    try {
      return this.#read(message);
    } catch (error) {
      if (!(error instanceof Unverified)) throw error;
      return [{ kind: "bad", error, sequence: message.seq }];
    }
  }

  #read(message: JsMsg): readonly Item[] {
    // dex.v1.out.<kind>.<id>.<topic>
    const topic = message.subject.split(".")[5] ?? "";
    if (topic === "outcome") return outcomesIn(message);
    const received = this.#client.verifier.check(message.subject, listsOf(message.headers), message.data);
    if (topic === "delivery") return this.#delivery(received, message);
    const item = this.#other(topic, received);
    message.ack();
    return [item];
  }

  #delivery(received: Received, message: JsMsg): readonly Item[] {
    const turn = this.#seen.came(received.id);
    if (turn === "answered") message.ack();
    else if (turn instanceof Hold) {
      try {
        return [readDelivery(received, this.#client, message, this.#seen, turn)];
      } catch (error) {
        this.#seen.givenUp(turn);
        throw error;
      }
    } else if (Number.isFinite(turn.inHandMs)) {
      // In somebody's hands: it comes again when that is over, and not only after another wait of the broker.
      message.nak(Math.max(Math.ceil(turn.inHandMs), HELD_MIN_MS));
    }
    return [];
  }

  #other(topic: string, received: Received): Item {
    const client = this.#client;
    if (topic === "request") {
      const debit = field(received, "Dex-Authority", (value) => {
        if (!value.startsWith("debit:")) throw new DexError("names no debit");
        return value.slice("debit:".length);
      });
      const pull = field(received, "Dex-Pull", (value) => value);
      return {
        kind: "request", debit, pull,
        source: addressField(received, "Dex-Source"),
        deadline: field(received, "Dex-Deadline", (value) => value),
        ask: jsonBody(received) as PullAsk,
        release: (records, options = {}) => client.release(debit, records, { ...options, pull }),
        releaseLarge: (content, options = {}) => client.releaseLarge(debit, content, { ...options, pull }),
      };
    }
    if (topic === "recall") {
      const { delivery } = (jsonBody(received) ?? {}) as { delivery?: unknown };
      if (typeof delivery !== "string") throw new Unverified(received.subject, "body", "a recall names a delivery");
      const to = receiptTo(received);
      return { kind: "recall", delivery, answer: (receipt) => client.receipt(to, receipt) };
    }
    const kind = topic === "notice" || topic === "connection" ? topic : "other";
    return { kind, topic, body: jsonBody(received), message: received };
  }
}

/** The outcomes of one message, and what is none: each is read before the broker is told anything. */
function outcomesIn(message: JsMsg): readonly Item[] {
  const outcomes: Outcome[] = [];
  const bad: Bad[] = [];
  const fault = (why: string): void => {
    bad.push({ kind: "bad", error: new Unverified(message.subject, "body", why), sequence: message.seq });
  };
  try {
    const body = JSON.parse(textOf(message.data)) as unknown;
    const all: readonly unknown[] = Array.isArray(body) ? body : [body];
    all.forEach((one, n) => {
      try {
        outcomes.push(readOutcome(one));
      } catch (error) {
        fault(`outcome ${n + 1} of ${all.length}: ${(error as Error).message}`);
      }
    });
  } catch (error) {
    fault(`the body is no JSON: ${(error as Error).message}`);
  }
  // What cannot be read now never can: it is told, and not brought again.
  if (bad.length > 0) message.term();
  else message.ack();
  return outcomes.length > 0 ? [{ kind: "outcomes", outcomes }, ...bad] : bad;
}
