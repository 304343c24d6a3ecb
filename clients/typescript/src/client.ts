/** A party's voice: signed messages in, their outcomes, and queries. */

import { parseAddress, subjectIn } from "./address.js";
import { digestOf, utf8 } from "./bytes.js";
import { ArgumentError, DexError, FormError, NoOutcome, Refused } from "./errors.js";
import type { Problem, Unverified } from "./errors.js";
import { Inbox } from "./inbox.js";
import type { Delivery, InboxOptions } from "./inbox.js";
import type { JobWord } from "./jobs.js";
import type { SigningKey } from "./keys.js";
import { isUuid } from "./ids.js";
import { referenceTo } from "./large.js";
import type { LargeObject } from "./large.js";
import type { DataRecord, DebitTerms, LargeOptions, PullAsk, Receipt, SendOptions } from "./orders.js";
import { isFinal, readOutcome } from "./outcome.js";
import type { Outcome } from "./outcome.js";
import type { Queries } from "./queries.js";
import { Verifier, checkedKeys } from "./received.js";
import type { Trust } from "./received.js";
import { signedTextIn } from "./signed-text.js";
import { bundleBytes, openTrustBundle } from "./trust-bundle.js";
import type { TrustBundle } from "./trust-bundle.js";
import { upload } from "./upload.js";
import type { Source } from "./upload.js";
import type { Json } from "./canonical.js";
import type { Wire } from "./wire.js";
import { jobsOf } from "./worker.js";
import type { Job } from "./worker.js";

/** First pause before a message is repeated, milliseconds. */
const REPEAT_FIRST_MS = 200;
/** Longest pause while the broker has not confirmed the message. */
const REPEAT_MAX_MS = 2000;
/** Longest pause once the broker holds it: a repeat only asks again then. */
const ASK_MAX_MS = 8000;

/** How a message ended: its first outcome, and its final ones (one for each part of a fan-out). */
export interface Conclusion {
  readonly first: Outcome;
  readonly last: readonly Outcome[];
}

/** Who speaks, and on whose word messages are taken. */
export interface Voice {
  readonly party: string;
  readonly key: SigningKey | undefined;
  readonly trust: Trust;
}

/** One party's voice over a connection; a connection may carry many. Made by `connect`. */
export class Client {
  readonly #wire: Wire;
  readonly #key: SigningKey | undefined;
  /** Who this client speaks for. */
  readonly party: string;
  /** On whose word messages are taken for the exchange's. */
  readonly trust: Trust;
  /** The inbox prefix and connection are the wire's; `Inbox` needs them. */
  readonly verifier: Verifier;

  constructor(wire: Wire, voice: Voice) {
    parseAddress(voice.party);
    this.#wire = wire;
    this.#key = voice.key;
    this.party = voice.party;
    this.trust = voice.trust;
    if (voice.trust.keys !== "broker") checkedKeys(voice.trust.keys);
    this.verifier = new Verifier(voice.trust);
  }

  /** Another party over the same connection. */
  speaking(party: string, key?: SigningKey): Client {
    return new Client(this.#wire, { party, key, trust: this.trust });
  }

  /** The exchange's origin. */
  get origin(): string {
    return this.trust.origin;
  }

  /** The connection to the broker. */
  get wire(): Wire {
    return this.#wire;
  }

  /** A fresh message id, greater than every one before it on this connection. */
  messageId(): string {
    return this.#wire.ids.next();
  }

  /**
   * Asks `dex.v1.api.<query>`.
   * @throws {@link QueryRefused} when the exchange says no, {@link NoAnswer} when nothing came
   */
  async query<Q extends keyof Queries>(query: Q, question: Queries[Q]["question"]): Promise<Queries[Q]["answer"]>;
  async query(query: string, question?: object): Promise<unknown>;
  async query(query: string, question?: object): Promise<unknown> {
    return this.#wire.query(query, question);
  }

  /**
   * Sends a message and waits for its first outcome. The same message leaves again, under the same id, until it comes.
   * @param to an address
   * @param action the action and the id that it is about, such as `["plug-connect", "fitbit"]`
   * @param body JSON; nothing for an empty body; bytes as they are
   * @throws {@link Refused} when the exchange rejects it, {@link NoOutcome} when no outcome came in time
   */
  async send(to: string, action: readonly string[], body?: unknown, options: SendOptions = {}): Promise<Outcome> {
    return this.sendOn(subjectIn(to, action), body, options);
  }

  /** As {@link Client.send}, on a subject that is given whole, such as a delivery's `Dex-Receipt-To`. */
  async sendOn(subject: string, body?: unknown, options: SendOptions = {}): Promise<Outcome> {
    const key = this.#key;
    if (key === undefined) throw new ArgumentError("this client has no signing key, so it can send nothing");
    const id = options.id ?? this.messageId();
    if (!isUuid(id)) throw new ArgumentError(`${JSON.stringify(id)} is no UUID in canonical form`);
    const payload = body === undefined ? new Uint8Array() : body instanceof Uint8Array ? body : utf8(JSON.stringify(body));
    const waitMs = options.waitMs ?? this.#wire.callMs;
    const outcome = await this.#wire.inWindow(waitMs, () => this.#exchange(subject, id, payload, options, key, waitMs));
    if (outcome === undefined) throw new NoOutcome(id, waitMs, false);
    return outcome;
  }

  async #exchange(
    subject: string, id: string, body: Uint8Array, options: SendOptions, key: SigningKey, waitMs: number,
  ): Promise<Outcome> {
    const waiter = this.#wire.enter();
    try {
      const headers: Record<string, string> = { "Dex-Id": id, "Dex-From": this.party, "Dex-Key": key.publicKey };
      if (options.deadline !== undefined) headers["Dex-Deadline"] = options.deadline.toISOString();
      headers["Dex-Reply"] = waiter.answerTo;
      if (options.wantProof === true) headers["Dex-Want"] = "proof";
      if (options.pull !== undefined) headers["Dex-Pull"] = options.pull;
      if (options.job !== undefined) headers["Dex-Job"] = options.job;
      headers["Dex-Sig"] = key.sign(signedTextIn(this.origin, subject, headers, digestOf(body)));
      const end = Date.now() + waitMs;
      let [pause, stored] = [REPEAT_FIRST_MS, false];
      for (let left = waitMs; left > 0; left = end - Date.now()) {
        this.#wire.publish(subject, body, headers, waiter.storedTo);
        let again = Math.min(Date.now() + pause, end);
        for (let ms = again - Date.now(); ms > 0; ms = again - Date.now()) {
          const arrived = await waiter.next(ms);
          if (arrived?.kind === "answer") return judge(id, arrived.body);
          if (arrived?.kind === "stored" && !stored) {
            [stored, pause] = [true, REPEAT_MAX_MS];
            again = Math.min(Date.now() + pause, end);
          }
        }
        pause = Math.min(2 * pause, stored ? ASK_MAX_MS : REPEAT_MAX_MS);
      }
      throw new NoOutcome(id, waitMs, stored);
    } finally {
      waiter.close();
    }
  }

  /**
   * Sends a message and waits until it, or every part of its fan-out, has ended; at most `withinMs`.
   * @throws as {@link Client.send}; {@link NoOutcome} names what is still open
   */
  async conclude(to: string, action: readonly string[], body: unknown, withinMs: number, options: SendOptions = {}): Promise<Conclusion> {
    // Listening begins before the message leaves.
    const inbox = await this.inbox({ topic: "outcomes", durable: false, onlyNew: true });
    const timer = setTimeout(() => inbox.close(), withinMs);
    try {
      const first = await this.send(to, action, body, { waitMs: withinMs, ...options });
      if (isFinal(first.status) && first.parts === undefined) return { first, last: [first] };
      const open = new Map((first.parts ?? [first]).map((part) => [part.exchange, undefined as Outcome | undefined]));
      let bad: Unverified | undefined;
      for await (const item of inbox) {
        if (item.kind === "bad") bad = item.error;
        if (item.kind !== "outcomes") continue;
        for (const outcome of item.outcomes) {
          if (!open.has(outcome.exchange)) continue;
          if (outcome.parts !== undefined) {
            // Large content for all debits: its parts are known only now.
            open.delete(outcome.exchange);
            for (const part of outcome.parts) open.set(part.exchange, undefined);
          } else if (isFinal(outcome.status)) open.set(outcome.exchange, outcome);
        }
        const last = [...open.values()].filter((outcome) => outcome !== undefined);
        if (last.length === open.size) return { first, last };
      }
      const missing = [...open].find(([, outcome]) => outcome === undefined);
      throw noOutcome(missing?.[0] ?? first.exchange, withinMs, bad);
    } finally {
      clearTimeout(timer);
      inbox.close();
    }
  }

  /**
   * Stores content that is larger than a message may be (512 KiB), for one message of this party. A few chunks are in memory
   * at a time. What no message names the broker deletes after a day.
   * @throws {@link ArgumentError} when it is no records, {@link BrokerError} when it is not taken
   */
  async upload(content: Source): Promise<LargeObject> {
    return upload(this.#wire.nats, this.party, content);
  }

  /**
   * Sends a message that names an uploaded object, and waits until the exchange has fetched it: the outcome is `accepted`,
   * `pending` with a reason, or final.
   * @throws as {@link Client.send}; with {@link NoOutcome} the exchange may still be fetching
   */
  async sendObject(to: string, action: readonly string[], object: LargeObject, options: LargeOptions = {}): Promise<Outcome> {
    const withinMs = options.withinMs ?? 60_000;
    // Listening begins before the message leaves.
    const inbox = await this.inbox({ topic: "outcomes", durable: false, onlyNew: true });
    const timer = setTimeout(() => inbox.close(), withinMs);
    try {
      const first = await this.send(to, action, referenceTo(object), { waitMs: withinMs, ...options });
      const fetching = ({ status, reason }: Outcome): boolean => status === "pending" && reason === undefined;
      if (!fetching(first)) return first;
      let bad: Unverified | undefined;
      for await (const item of inbox) {
        if (item.kind === "bad") bad = item.error;
        if (item.kind !== "outcomes") continue;
        const next = item.outcomes.find((outcome) => outcome.exchange === first.exchange && !fetching(outcome));
        if (next !== undefined) return taken(first.exchange, next);
      }
      throw noOutcome(first.exchange, withinMs, bad);
    } finally {
      clearTimeout(timer);
      inbox.close();
    }
  }

  /** As {@link Client.credit}, with content of any size up to the exchange's limit: uploads it, then as {@link Client.sendObject}. */
  async creditLarge(hat: string, content: Source, options: LargeOptions = {}): Promise<Outcome> {
    const action = ["credit", parseAddress(this.party).id];
    return this.sendObject(`hat:${hat}`, action, await this.upload(content), options);
  }

  /** As {@link Client.release}, with content of any size; with `pull` the answer to a request. */
  async releaseLarge(debit: string, content: Source, options: LargeOptions = {}): Promise<Outcome> {
    return this.sendObject(this.party, ["release", debit], await this.upload(content), options);
  }

  /** As {@link Client.data}, with content of any size: the outcome names the parts. */
  async dataLarge(content: Source, options: LargeOptions = {}): Promise<Outcome> {
    return this.sendObject(this.party, ["data"], await this.upload(content), options);
  }

  /** As a plug or an app: writes records into a HAT that has connected it. */
  async credit(hat: string, records: DataRecord | readonly DataRecord[], options: SendOptions = {}): Promise<Outcome> {
    return this.send(`hat:${hat}`, ["credit", parseAddress(this.party).id], records, options);
  }

  /** As a HAT: releases records under a debit. */
  async release(debit: string, records: DataRecord | readonly DataRecord[], options: SendOptions = {}): Promise<Outcome> {
    return this.send(this.party, ["release", debit], records, options);
  }

  /** As a HAT: one exchange for each active debit that selects any of these records. */
  async data(records: DataRecord | readonly DataRecord[], options: SendOptions = {}): Promise<Outcome> {
    return this.send(this.party, ["data"], records, options);
  }

  /** As a debit's client: asks the HAT for a release. The delivery that answers names the outcome's `exchange` as `pull`. */
  async pull(hat: string, debit: string, ask: PullAsk = {}, options: SendOptions = {}): Promise<Outcome> {
    return this.send(`hat:${hat}`, ["pull", debit], ask, options);
  }

  /** As who sent an exchange to or from this HAT: wants it back, until it is settled. */
  async recall(hat: string, exchange: string, options: SendOptions = {}): Promise<Outcome> {
    return this.send(`hat:${hat}`, ["recall", exchange], undefined, options);
  }

  /** As a HAT: lets a plug write. */
  async connectPlug(plug: string, options: SendOptions = {}): Promise<Outcome> {
    return this.send(this.party, ["plug-connect", plug], undefined, options);
  }

  /** As a HAT: lets it write no more. */
  async disconnectPlug(plug: string, options: SendOptions = {}): Promise<Outcome> {
    return this.send(this.party, ["plug-disconnect", plug], undefined, options);
  }

  /** As a debit's client: proposes it to a HAT's owner. */
  async proposeDebit(hat: string, debit: string, terms: DebitTerms, options: SendOptions = {}): Promise<Outcome> {
    return this.send(`hat:${hat}`, ["debit-propose", debit], terms, options);
  }

  /** As a debit's client: proposes other terms; the old ones stay in force until the owner accepts. */
  async amendDebit(hat: string, debit: string, terms: DebitTerms, options: SendOptions = {}): Promise<Outcome> {
    return this.send(`hat:${hat}`, ["debit-amend", debit], terms, options);
  }

  /** As a HAT: accepts a debit's newest revision; with `revision` only if it is that one (`conflict` otherwise). */
  async enableDebit(debit: string, options: SendOptions & { readonly revision?: number } = {}): Promise<Outcome> {
    const body = options.revision === undefined ? undefined : { revision: options.revision };
    return this.send(this.party, ["debit-enable", debit], body, options);
  }

  /** As a HAT: ends a debit, at once or at the end of its running period. */
  async disableDebit(debit: string, options: SendOptions & { readonly atPeriodEnd?: boolean } = {}): Promise<Outcome> {
    return this.send(this.party, ["debit-disable", debit], { atPeriodEnd: options.atPeriodEnd ?? false }, options);
  }

  /** Registers this party as what its kind is, signed with its own key; an operator approves it. */
  async register(profile: object): Promise<Outcome> {
    const key = this.#key?.publicKey;
    return this.send(this.party, ["register"], { key, ...profile });
  }

  /** As a plug: says how a job of this HAT goes or has ended. Acknowledge the job's message after the outcome. */
  async reportJob(hat: string, word: JobWord, options: SendOptions = {}): Promise<Outcome> {
    return this.send(`hat:${hat}`, ["job", parseAddress(this.party).id], word, options);
  }

  /**
   * As a plug: its jobs, as they come. It never ends by itself: `break` ends it.
   * @throws {@link Unverified} for one that is not the exchange's, which is off the queue
   */
  jobs(): AsyncGenerator<Job, void, undefined> {
    return jobsOf(this);
  }

  /** Sends a receipt to the subject that a delivery, or a recall request, names. */
  async receipt(receiptTo: string, receipt: Receipt, options: SendOptions = {}): Promise<Outcome> {
    return this.sendOn(receiptTo, receipt, options);
  }

  /** Everything for this party, verified; see {@link InboxOptions}. */
  async inbox(options: InboxOptions = {}): Promise<Inbox> {
    return Inbox.open(this, options);
  }

  /**
   * Content for this party, verified, each delivery once until it is answered. It never ends by itself: `break` ends it.
   * @throws {@link Unverified} for a message that is not the exchange's; with `onUnverified` that is told, and it goes on
   */
  async *deliveries(
    options: Omit<InboxOptions, "topic"> & { readonly onUnverified?: (error: Unverified) => void } = {},
  ): AsyncGenerator<Delivery, void, undefined> {
    for await (const item of await this.inbox({ ...options, topic: "deliveries" })) {
      if (item.kind === "delivery") yield item;
      else if (item.kind === "bad") {
        if (options.onUnverified === undefined) throw item.error;
        options.onUnverified(item.error);
      }
    }
  }

  /** Asks for the trust bundle and checks it; the bytes are what to save for use without asking. */
  async trustBundle(): Promise<{ readonly bundle: TrustBundle; readonly bytes: Uint8Array }> {
    const { origin, keys } = this.trust;
    if (keys === "broker") throw new DexError("this exchange signs nothing, so a trust bundle proves nothing");
    const bytes = bundleBytes((await this.query("trust.bundle", {})) as Json);
    return { bundle: openTrustBundle(bytes, { origin, keys }), bytes };
  }

  /** Ends the connection, for all who speak over it. */
  async close(): Promise<void> {
    await this.#wire.close();
  }
}

/** The first outcome, or why there is none. */
function judge(id: string, body: unknown): Outcome {
  if (typeof body !== "object" || body === null) throw new FormError("an outcome is a JSON object");
  if (!("exchange" in body)) {
    const problem = body as Partial<Problem>;
    if (problem.reason === undefined) throw new FormError("an answer that is neither outcome nor problem");
    throw new Refused(id, problem.reason, problem.detail, undefined);
  }
  return taken(id, readOutcome(body));
}

/** An outcome that is no refusal. */
function taken(id: string, outcome: Outcome): Outcome {
  if (outcome.status === "rejected") throw new Refused(id, outcome.reason ?? "internal", undefined, outcome);
  return outcome;
}

/** None came in time; perhaps it was the one that could not be read. */
function noOutcome(id: string, waitedMs: number, bad: Unverified | undefined): NoOutcome {
  const none = new NoOutcome(id, waitedMs, true);
  if (bad !== undefined) none.cause = bad;
  return none;
}
