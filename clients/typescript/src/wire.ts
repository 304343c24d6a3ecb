/** One connection to the broker, shared by all parties that speak over it: answers, window, ids. */

import { headers as newHeaders } from "@nats-io/nats-core";
import type { Msg, MsgHdrs, NatsConnection, Subscription } from "@nats-io/nats-core";

import { textOf, utf8 } from "./bytes.js";
import { BrokerError, DexError, FormError, NoAnswer, QueryRefused } from "./errors.js";
import type { Problem } from "./errors.js";
import { Ids } from "./ids.js";
import type { HeaderLists } from "./received.js";

/** Most messages of one connection that wait for their first outcome; further ones wait for room. */
export const WINDOW = 4096;
const QUERY_PAUSE_MS = 200;
const QUERY_PAUSE_MAX_MS = 2000;

/** What came to somebody who waits: an answer of the exchange, or the broker's acknowledgement. */
export type Arrived =
  | { readonly kind: "answer"; readonly problem: boolean; readonly body: unknown }
  | { readonly kind: "stored" }
  | { readonly kind: "not-stored"; readonly why: string };

/** The headers of a message, as lists. */
export function listsOf(headers: MsgHdrs | undefined): HeaderLists {
  const lists = new Map<string, readonly string[]>();
  for (const name of headers?.keys() ?? []) lists.set(name, headers?.values(name) ?? []);
  return lists;
}

/** A promise for the next arrival, or `undefined` at the time limit (milliseconds from now). */
export class Waiter {
  readonly #came: Arrived[] = [];
  #wake: (() => void) | undefined;

  constructor(readonly answerTo: string, readonly storedTo: string, readonly close: () => void) {}

  /** Something came. */
  take(arrived: Arrived): void {
    // Bounded by what repeats can bring: an answer and an acknowledgement each.
    if (this.#came.length < 256) this.#came.push(arrived);
    this.#wake?.();
  }

  /** The next arrival; `undefined` after so many milliseconds without one. */
  async next(ms: number): Promise<Arrived | undefined> {
    if (this.#came.length === 0 && ms > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return this.#came.shift();
  }
}

/** The connection behind clients. */
export class Wire {
  readonly ids = new Ids();
  readonly #inbox: string;
  readonly #waiting = new Map<string, Waiter>();
  readonly #answers: Subscription;
  readonly #queue: (() => void)[] = [];
  #next = 0;
  #busy = 0;

  constructor(readonly nats: NatsConnection, inboxPrefix: string, readonly callMs: number) {
    const random = Array.from(crypto.getRandomValues(new Uint8Array(11)), (byte) => (byte % 36).toString(36)).join("");
    this.#inbox = `${inboxPrefix}.${random}`;
    this.#answers = nats.subscribe(`${this.#inbox}.*`, { callback: (error, message) => this.#hand(error, message) });
  }

  #hand(error: Error | null, message: Msg): void {
    const end = message.subject.slice(this.#inbox.length + 1);
    const waiter = this.#waiting.get(end.slice(1));
    if (waiter === undefined || error !== null) return;
    waiter.take(end.startsWith("s") ? stored(message) : answer(message));
  }

  /** Somebody who waits; to be closed. */
  enter(): Waiter {
    const name = (this.#next++).toString(36);
    const waiter = new Waiter(`${this.#inbox}.a${name}`, `${this.#inbox}.s${name}`, () => this.#waiting.delete(name));
    this.#waiting.set(name, waiter);
    return waiter;
  }

  /** Runs `work` once there is room in the window; `undefined` when none came within `ms`. */
  async inWindow<T>(ms: number, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#busy >= WINDOW) {
      const room = await new Promise<boolean>((resolve) => {
        const enter = (): void => {
          clearTimeout(timer);
          resolve(true);
        };
        const timer = setTimeout(() => {
          this.#queue.splice(this.#queue.indexOf(enter), 1);
          resolve(false);
        }, ms);
        this.#queue.push(enter);
      });
      if (!room) return undefined;
    } else {
      this.#busy += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      // The place goes to who waits, or is free again.
      if (next === undefined) this.#busy -= 1;
      else next();
    }
  }

  /** Publishes once. */
  publish(subject: string, body: Uint8Array, values: Readonly<Record<string, string>>, reply: string): void {
    const headers = newHeaders();
    for (const [name, value] of Object.entries(values)) headers.append(name, value);
    try {
      this.nats.publish(subject, body, { headers, reply });
    } catch (error) {
      throw new BrokerError(`cannot publish on ${subject}: ${(error as Error).message}`);
    }
  }

  /** Asks `dex.v1.api.<query>`, again (it changes nothing) until an answer comes or the time is over. */
  async query(query: string, question: unknown): Promise<unknown> {
    const body = question === undefined ? new Uint8Array() : utf8(JSON.stringify(question));
    const end = Date.now() + this.callMs;
    let pause = QUERY_PAUSE_MS;
    const waiter = this.enter();
    try {
      for (let left = this.callMs; left > 0; left = end - Date.now()) {
        this.publish(`dex.v1.api.${query}`, body, {}, waiter.answerTo);
        const again = Date.now() + Math.min(pause, left);
        for (let ms = again - Date.now(); ms > 0; ms = again - Date.now()) {
          const arrived = await waiter.next(ms);
          if (arrived?.kind !== "answer") continue;
          if (arrived.problem) throw new QueryRefused(query, arrived.body as Problem);
          return arrived.body;
        }
        pause = Math.min(2 * pause, QUERY_PAUSE_MAX_MS);
      }
    } finally {
      waiter.close();
    }
    throw new NoAnswer(query, this.callMs);
  }

  /** Ends the subscription for answers, and the connection. */
  async close(): Promise<void> {
    this.#answers.unsubscribe();
    await this.nats.drain();
  }
}

function noResponders(message: Msg): boolean {
  return message.headers?.code === 503;
}

function stored(message: Msg): Arrived {
  if (noResponders(message)) return { kind: "not-stored", why: "no stream takes this subject" };
  try {
    const ack = JSON.parse(textOf(message.data)) as { error?: { description?: string } };
    return ack.error === undefined ? { kind: "stored" } : { kind: "not-stored", why: ack.error.description ?? "an error" };
  } catch {
    return { kind: "not-stored", why: "an acknowledgement that cannot be read" };
  }
}

function answer(message: Msg): Arrived {
  if (noResponders(message)) return { kind: "not-stored", why: "nobody answers there" };
  const problem = message.headers?.get("Content-Type") === "application/problem+json" || (message.headers?.has("Nats-Service-Error") ?? false);
  try {
    return { kind: "answer", problem, body: JSON.parse(textOf(message.data)) as unknown };
  } catch {
    return { kind: "not-stored", why: "an answer that is no JSON" };
  }
}

/** A failure of the broker's library, as one of ours. */
export function asDexError(error: unknown): DexError {
  if (error instanceof DexError) return error;
  return error instanceof SyntaxError ? new FormError(error.message) : new BrokerError((error as Error).message);
}
