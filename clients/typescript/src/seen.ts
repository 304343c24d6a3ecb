/** Which deliveries were answered already, and which are in hand: applied once though they come often. */

import type { Receipt } from "./orders.js";

/** Answered ids that are remembered; an older one would be handed out again, and its receipt counts as late. */
const SEEN_MAX = 65_536;

/** A delivery in somebody's hands. Only an answer holds it back for good: a hold that has ended is given to another. */
export class Hold {
  /** @param until milliseconds by the inbox's clock; without end while an answer is under way */
  constructor(readonly id: string, public until: number) {}
}

/** What to do with a delivery that came: hand it out with this hold; leave it, somebody has it for so long; nothing. */
export type Turn = Hold | { readonly inHandMs: number } | "answered";

/** The ids of one inbox. */
export class Seen {
  // Maps and sets keep their members in the order in which they came.
  readonly #inHand = new Map<string, Hold>();
  readonly #answered = new Set<string>();
  readonly #receipts = new Map<string, [string, string]>();

  /** @param holdMs how long a delivery is held: as long as the broker waits for its acknowledgement */
  constructor(public holdMs = 60_000, readonly most: number = SEEN_MAX, readonly now: () => number = () => performance.now()) {}

  /** A delivery came. */
  came(id: string): Turn {
    if (this.#answered.has(id)) return "answered";
    const now = this.now();
    const known = this.#inHand.get(id);
    if (known !== undefined && known.until > now) return { inHandMs: known.until - now };
    // Without room to remember it by, the broker brings it later.
    if (known === undefined && this.#inHand.size >= this.most && !this.#droppedEnded(now)) return { inHandMs: this.holdMs };
    const hold = new Hold(id, now + this.holdMs);
    this.#take(hold);
    return hold;
  }

  /** Its holder still works on it. */
  renew(hold: Hold): void {
    this.#hold(hold, Math.max(hold.until, this.now() + this.holdMs));
  }

  /** An answer is under way: it is held until {@link Seen.answered} or {@link Seen.givenUp}. */
  answering(hold: Hold): void {
    this.#hold(hold, Infinity);
  }

  /** Milliseconds until this hold ends. */
  left(hold: Hold): number {
    return hold.until - this.now();
  }

  /** The id under which this receipt leaves: the same as before when it is the same receipt. */
  receipt(receipt: Receipt, fresh: () => string): string {
    const said = JSON.stringify(receipt);
    const known = this.#receipts.get(receipt.delivery);
    if (known !== undefined && known[0] === said) return known[1];
    if (this.#receipts.size >= this.most) forgetOldest(this.#receipts);
    const id = fresh();
    this.#receipts.set(receipt.delivery, [said, id]);
    return id;
  }

  /** It was answered, and the exchange knows. */
  answered(id: string): void {
    this.#inHand.delete(id);
    this.#receipts.delete(id);
    if (this.#answered.size >= this.most) forgetOldest(this.#answered);
    this.#answered.add(id);
  }

  /** Whether it was answered. */
  isAnswered(id: string): boolean {
    return this.#answered.has(id);
  }

  /** Its receipt was refused for now: the next one is a message of its own. */
  refused(id: string): void {
    this.#receipts.delete(id);
  }

  /** Whoever held it gave up: it is handed out when it comes again. Who held it before does not count. */
  givenUp(hold: Hold): void {
    hold.until = this.now();
    if (this.#inHand.get(hold.id) === hold) this.#inHand.delete(hold.id);
  }

  #hold(hold: Hold, until: number): void {
    hold.until = until;
    // It may have been given to another meanwhile, who goes before.
    if (!this.#answered.has(hold.id) && (this.#inHand.get(hold.id) ?? hold) === hold) this.#take(hold);
  }

  /** At the end: so the oldest come first. */
  #take(hold: Hold): void {
    this.#inHand.delete(hold.id);
    this.#inHand.set(hold.id, hold);
  }

  /** Forgets holds that have ended; whether there is room now. */
  #droppedEnded(now: number): boolean {
    for (const [id, hold] of this.#inHand) if (hold.until <= now) this.#inHand.delete(id);
    return this.#inHand.size < this.most;
  }
}

function forgetOldest(from: Set<string> | Map<string, unknown>): void {
  const oldest = from.keys().next();
  if (oldest.done !== true) from.delete(oldest.value);
}
