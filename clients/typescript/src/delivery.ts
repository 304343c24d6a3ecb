/** Content that came, with the answers that its recipient can give. */

import type { JsMsg } from "@nats-io/jetstream";

import { checkId } from "./address.js";
import type { Client } from "./client.js";
import { DexError, Refused, Unverified } from "./errors.js";
import type { Reason } from "./errors.js";
import { contentOf, download, objectOf } from "./large.js";
import type { Content, LargeObject } from "./large.js";
import type { DataRecord, Receipt } from "./orders.js";
import type { Outcome } from "./outcome.js";
import { quietly } from "./patience.js";
import { addressField, field, jsonBody, receiptTo } from "./received.js";
import type { Received } from "./received.js";
import type { Hold, Seen } from "./seen.js";

/** Refusals of a receipt that pass: it leaves again then, as another message. */
const PASSING: readonly Reason[] = ["over-quota", "stale", "internal", "suspended"];

/** What the exchange signed of a delivery. */
interface Facts {
  readonly source: string;
  readonly authority: string;
  readonly deadline: string;
  readonly receiptTo: string;
  readonly count: number;
}

/**
 * A verified delivery in hand. Without an answer it comes again, until its deadline. It is nobody else's for as long as the
 * broker waits (`answerWithinMs`), counted anew by {@link Delivery.working}; while its answer is under way; and during
 * {@link Delivery.hold}.
 */
export class Delivery {
  readonly kind = "delivery";
  /** Apply each once, by this id. */
  readonly id: string;
  /** Who sent the records, or its pseudonym. */
  readonly source: string;
  /** The right under which it moved: `plug:<id>`, `app:<id>` or `debit:<id>`. */
  readonly authority: string;
  /** A receipt after this changes nothing. RFC 3339. */
  readonly deadline: string;
  /** SHA-256 of the body, hex, computed here. */
  readonly digest: string;
  /** Records in it, counted here; of large content as the exchange says. */
  readonly count: number;
  /** SHA-256 of the body that was sent, when a debit's bundle made another one of it. */
  readonly digestIn: string | undefined;
  /** The id of your own pull, when it answers one. */
  readonly pull: string | undefined;
  /** Where large content lies: {@link Delivery.download} it. None where the body is the records. */
  readonly object: LargeObject | undefined;
  /** The records' bytes, as they came. */
  readonly body: Uint8Array;
  readonly #client: Client;
  readonly #message: JsMsg;
  readonly #seen: Seen;
  readonly #hold: Hold;
  readonly #receiptTo: string;
  #came: Content | undefined;

  /** @internal */
  constructor(received: Received, facts: Facts, client: Client, message: JsMsg, seen: Seen, hold: Hold) {
    this.id = received.id;
    this.source = facts.source;
    this.authority = facts.authority;
    this.deadline = facts.deadline;
    this.digest = received.digest;
    this.digestIn = received.headers["Dex-Digest-In"];
    this.pull = received.headers["Dex-Pull"];
    this.body = received.body;
    this.#client = client;
    this.#message = message;
    this.#seen = seen;
    this.#hold = hold;
    this.#receiptTo = facts.receiptTo;
    this.object = objectOf(received);
    if (this.object === undefined) this.#came = contentOf(received);
    this.count = this.#came?.count ?? facts.count;
    if (this.count !== facts.count) {
      throw new Unverified(received.subject, "body", `the body has ${this.count} records, Dex-Count says ${facts.count}`);
    }
  }

  /** The records. Of large content {@link Delivery.download} gives them. */
  get records(): readonly DataRecord[] {
    if (this.object !== undefined) throw new DexError("this content is large: download it");
    const body = jsonBody({ id: this.id, subject: this.#message.subject, body: this.body, digest: this.digest, headers: {} });
    return (Array.isArray(body) ? body : [body]) as DataRecord[];
  }

  /**
   * Reads large content whole into memory, and checks size, digest and count.
   * @param maxBytes more than so many are refused; 64 MiB if absent
   */
  async download(maxBytes: number = 64 << 20): Promise<Uint8Array> {
    if (this.object === undefined) return this.body;
    if (this.object.size > maxBytes) throw new DexError(`the content has ${this.object.size} bytes, more than ${maxBytes}`);
    const body = new Uint8Array(this.object.size);
    let at = 0;
    await this.downloadTo((piece) => {
      body.set(piece, at);
      at += piece.length;
    });
    return body;
  }

  /**
   * Reads large content piece by piece, a few chunks in memory at a time; `write` is waited for. Nothing of it may be used
   * before this has gone well: then size, digest and count are as they should be. What came until an error is rubbish. The
   * delivery is held meanwhile.
   */
  async downloadTo(write: (piece: Uint8Array) => void | Promise<void>): Promise<void> {
    const { object } = this;
    if (object === undefined) return write(this.body);
    this.#came = await this.#kept(() => download(this.#client.wire.nats, this.#client.party, object, write));
  }

  /** The broker brings it again later than it would: for work that takes longer than `answerWithinMs`. */
  working(): void {
    this.#seen.renew(this.#hold);
    this.#message.working();
  }

  /** Holds it as long as `work` takes. When that ends without an answer, as by an error, it comes again after a second. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#kept(work);
    } finally {
      if (!this.#seen.isAnswered(this.id)) this.release();
    }
  }

  /** Says that it is worked on, often enough, as long as `work` takes. */
  async #kept<T>(work: () => Promise<T>): Promise<T> {
    // While the broker is away it cannot be told; the next time.
    const say = (): void => quietly(() => this.working());
    // It may have been in hand for long.
    if (this.#seen.left(this.#hold) < this.#seen.holdMs / 2) say();
    const timer = setInterval(say, this.#seen.holdMs / 3);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** Kept: store the records first, then say so. Waits until the exchange has the receipt in its ledger. */
  async accept(): Promise<Outcome> {
    if (this.#came === undefined) throw new DexError("download large content before you accept it");
    return this.answer(this.receiptOf("accepted"));
  }

  /** Not wanted: the exchange becomes disputed. `reason` is for people, 1–256 bytes. */
  async refuse(reason: string): Promise<Outcome> {
    return this.answer(this.receiptOf("refused", reason));
  }

  /** Given back, after a recall request: nothing of it was kept. */
  async giveBack(): Promise<Outcome> {
    return this.answer(this.receiptOf("returned"));
  }

  /** The receipt over what came: digest and count of the body itself, not of its headers. */
  receiptOf(verdict: Receipt["verdict"], reason?: string): Receipt {
    const { digest, count } = this.#came ?? contentOf({ body: new Uint8Array() });
    return { delivery: this.id, digest, count, verdict, ...(reason === undefined ? {} : { reason }) };
  }

  /**
   * Answers with this receipt, whatever it says. The same receipt, given again because no outcome came, leaves under the same
   * id again. A receipt that is refused without an outcome, as for a wrong key, answers nothing: the delivery comes again.
   */
  async answer(receipt: Receipt): Promise<Outcome> {
    const id = this.#seen.receipt(receipt, () => this.#client.messageId());
    this.#seen.answering(this.#hold);
    try {
      const outcome = await this.#client.receipt(this.#receiptTo, receipt, { id });
      this.ignore();
      return outcome;
    } catch (error) {
      const passing = error instanceof Refused && PASSING.includes(error.reason);
      if (passing) this.#seen.refused(this.id);
      if (error instanceof Refused && error.outcome !== undefined && !passing) this.ignore();
      else this.release();
      throw error;
    }
  }

  /** Says nothing: the exchange expires at its deadline, and the broker need not bring it again. */
  ignore(): void {
    this.#seen.answered(this.id);
    // If the broker is away it comes again, and is seen to be answered then.
    quietly(() => this.#message.ack());
  }

  /** Gives it up: the broker brings it again. */
  release(): void {
    this.#seen.givenUp(this.#hold);
    quietly(() => this.#message.nak(1000));
  }
}

/** Reads a verified message on `….delivery[.<debit>]`. */
export function readDelivery(received: Received, client: Client, message: JsMsg, seen: Seen, hold: Hold): Delivery {
  const facts: Facts = {
    source: addressField(received, "Dex-Source"),
    authority: field(received, "Dex-Authority", (value) => {
      const [, kind, id] = /^(plug|app|debit):(.*)$/.exec(value) ?? [];
      if (kind === undefined || id === undefined) throw new Error("is no authority");
      return `${kind}:${checkId(id)}`;
    }),
    deadline: field(received, "Dex-Deadline", (value) => value),
    receiptTo: receiptTo(received),
    count: field(received, "Dex-Count", (value) => {
      if (!/^(0|[1-9][0-9]{0,9})$/.test(value)) throw new Error("is no number");
      return Number(value);
    }),
  };
  return new Delivery(received, facts, client, message, seen, hold);
}
