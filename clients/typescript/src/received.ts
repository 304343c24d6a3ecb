/** The recipient's side: reads and verifies what the exchange sends (docs/protocol.md §7.1). */

import { digestOf, textOf } from "./bytes.js";
import { parseAddress } from "./address.js";
import { Unverified } from "./errors.js";
import type { Fault } from "./errors.js";
import { isUuid } from "./ids.js";
import { publicKeyBytes, verify } from "./keys.js";
import { signedTextOut } from "./signed-text.js";
import { sharedText } from "./tree.js";

/** All values of each header, by name. */
export type HeaderLists = ReadonlyMap<string, readonly string[]>;

/** On whose word messages are taken for the exchange's. */
export interface Trust {
  /** The exchange's origin. */
  readonly origin: string;
  /** Its keys (`U…`), from a source that is trusted; `"broker"` where it runs with `signatures = "trusted-broker"`. */
  readonly keys: readonly string[] | "broker";
}

/** A verified message of the exchange. */
export interface Received {
  /** `Dex-Id`: apply each once. */
  readonly id: string;
  /** The subject on which it came. */
  readonly subject: string;
  /** Its body, which is the one that was signed. */
  readonly body: Uint8Array;
  /** SHA-256 of the body, hex, computed here. */
  readonly digest: string;
  /** The `Dex-*` headers, each once. All but `Dex-Digest`, `Dex-Path` and `Dex-Sig` are under the signature. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Shared signatures that were found good: each is checked once. */
const REMEMBERED = 64;

/** Verifies what comes from one exchange. */
export class Verifier {
  readonly #good = new Set<string>();

  constructor(readonly trust: Trust) {}

  /**
   * Checks a message, in the order of the protocol: no header twice, digest, key, signature, sender.
   * @throws {@link Unverified}
   */
  check(subject: string, lists: HeaderLists, body: Uint8Array): Received {
    const fail = (fault: Fault, why: string): Unverified => new Unverified(subject, fault, why);
    const headers: Record<string, string> = {};
    for (const [name, values] of lists) {
      if (!name.startsWith("Dex-")) continue;
      const [value, ...more] = values;
      if (value === undefined || value === "" || more.length > 0) throw fail("header", `header ${name} is empty or stands twice`);
      headers[name] = value;
    }
    const header = (name: string): string => {
      const value = headers[name];
      if (value === undefined) throw fail("header", `header ${name} is missing`);
      return value;
    };
    const digest = digestOf(body);
    if (header("Dex-Digest") !== digest) throw fail("digest", "the body is not the one that Dex-Digest names");
    const { origin, keys } = this.trust;
    if (keys !== "broker") {
      const key = header("Dex-Key");
      if (!keys.includes(key)) throw fail("key", "it is signed with a key that is not known to be the exchange's");
      this.#signature(signedTextOut(origin, subject, headers, digest), key, header("Dex-Sig"), headers["Dex-Path"], fail);
    }
    if (header("Dex-From") !== `dex:${origin}`) throw fail("origin", `Dex-From is not dex:${origin}`);
    const id = header("Dex-Id");
    if (!isUuid(id)) throw fail("header", "Dex-Id is no UUID");
    return { id, subject, body, digest, headers };
  }

  #signature(
    text: Uint8Array, key: string, signature: string, path: string | undefined, fail: (fault: Fault, why: string) => Unverified,
  ): void {
    const wrong = (): Unverified => fail("signature", "the signature is not that key's over this message");
    if (path === undefined) {
      if (!verify(key, signature, text)) throw wrong();
      return;
    }
    const shared = sharedText(this.trust.origin, path, text);
    if (shared === undefined) throw fail("signature", "Dex-Path does not lead to a root");
    const known = `${key} ${signature} ${textOf(shared)}`;
    if (this.#good.has(known)) return;
    if (!verify(key, signature, shared)) throw wrong();
    if (this.#good.size >= REMEMBERED) this.#good.clear();
    this.#good.add(known);
  }
}

/** A header's value, read by `read`; fails as {@link Unverified} when it is missing or `read` throws. */
export function field<T>(of: Received, name: string, read: (value: string) => T): T {
  const value = of.headers[name];
  if (value === undefined) throw new Unverified(of.subject, "header", `header ${name} is missing`);
  try {
    return read(value);
  } catch (error) {
    throw new Unverified(of.subject, "header", `header ${name}: ${(error as Error).message}`);
  }
}

/** An address in a header. */
export function addressField(of: Received, name: string): string {
  return field(of, name, (value) => {
    parseAddress(value);
    return value;
  });
}

/** The place for receipts that a message names: nothing else is ever published to on its word. */
export function receiptTo(of: Received): string {
  return field(of, "Dex-Receipt-To", (value) => {
    if (!/^dex\.v1\.in\.[a-z]+\.[a-z0-9_-]+\.receipt$/.test(value)) throw new Error("is no place for receipts");
    return value;
  });
}

/** The body as JSON. */
export function jsonBody(of: Received): unknown {
  try {
    return JSON.parse(textOf(of.body)) as unknown;
  } catch (error) {
    throw new Unverified(of.subject, "body", `the body is no JSON: ${(error as Error).message}`);
  }
}

/** These keys, when each is one: found out at connect, not with the first message. */
export function checkedKeys(keys: readonly string[]): readonly string[] {
  keys.forEach(publicKeyBytes);
  return keys;
}
