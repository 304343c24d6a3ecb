/** Work with a broker that may stumble: tried again, and a few of it at a time. */

import { BrokerError, DexError } from "./errors.js";

const PATIENCE_MS = 60_000;
const PAUSE_FIRST_MS = 50;
const PAUSE_MAX_MS = 2000;
/** What will not go well by trying again. */
const FINAL = ["PermissionViolationError", "ClosedConnectionError", "DrainingConnectionError", "InvalidSubjectError", "InvalidArgumentError"];

/** Waits so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Tells the broker what it will also find out by itself. */
export function quietly(tell: () => void): void {
  try {
    tell();
  } catch {
    // The connection is closed.
  }
}

function isFinal(error: unknown): boolean {
  const { name, cause } = error as Error;
  return FINAL.includes(name) || (cause instanceof Error && FINAL.includes(cause.name));
}

/**
 * Tries again for a minute, but for what is final.
 * @throws {@link BrokerError}; a {@link DexError} as it is
 */
export async function patiently<T>(what: string, work: () => Promise<T>): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (let ms = PAUSE_FIRST_MS; ; ms = Math.min(2 * ms, PAUSE_MAX_MS)) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof DexError) throw error;
      if (isFinal(error) || Date.now() + ms > end) throw new BrokerError(`${what}: ${(error as Error).message}`);
    }
    await pause(ms);
  }
}

/** Work under way, so much at a time, its results in the order in which it began. */
export class Ahead<T> {
  readonly #under: Promise<T>[] = [];

  constructor(readonly most: number) {}

  get full(): boolean {
    return this.#under.length >= this.most;
  }

  get empty(): boolean {
    return this.#under.length === 0;
  }

  begin(work: Promise<T>): void {
    // Whoever asks for it is told; when an earlier one has failed nobody asks.
    work.catch(() => undefined);
    this.#under.push(work);
  }

  /** The result of what began first. */
  async next(): Promise<T> {
    return this.#under.shift() as Promise<T>;
  }
}
