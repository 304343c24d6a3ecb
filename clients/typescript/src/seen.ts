/** Which deliveries were answered already, and which are in hand: applied once though they come often. */

import type { Receipt } from "./orders.js";

/** Answered ids that are remembered; an older one would be handed out again, and its receipt counts as late. */
const SEEN_MAX = 65_536;

/** What to do with a delivery that came. */
export type Turn = "hand-out" | "in-hand" | "answered";

/** The ids of one inbox. */
export class Seen {
  readonly #inHand = new Map<string, number>();
  readonly #answered = new Set<string>();
  readonly #receipts = new Map<string, [string, string]>();

  constructor(readonly most: number = SEEN_MAX) {}

  /** A delivery came. */
  came(id: string): Turn {
    if (this.#answered.has(id)) return "answered";
    if (this.#inHand.has(id)) return "in-hand";
    if (this.#inHand.size >= this.most) forgetOldest(this.#inHand);
    this.#inHand.set(id, 1);
    return "hand-out";
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

  /** Its receipt was refused for now: the next one is a message of its own. */
  refused(id: string): void {
    this.#receipts.delete(id);
  }

  /** Whoever held it gave up: it is handed out when it comes again. */
  givenUp(id: string): void {
    this.#inHand.delete(id);
  }
}

/** Sets and maps keep their members in the order in which they came. */
function forgetOldest(from: Set<string> | Map<string, unknown>): void {
  const oldest = from.keys().next();
  if (oldest.done !== true) from.delete(oldest.value);
}
