/**
 * Large content: the reference to it, its chunks in an object bucket, and reading it (docs/protocol.md §7.5).
 *
 * The object store of nats.js is not used: its subjects are random, so no permission of the broker could tell one party's
 * objects from another's, and it subscribes where one asks here.
 */

import type { NatsConnection } from "@nats-io/nats-core";

import { parseAddress, token } from "./address.js";
import { textOf } from "./bytes.js";
import { DexError, Unverified } from "./errors.js";
import { isUuid } from "./ids.js";
import { Ahead, patiently } from "./patience.js";
import type { Received } from "./received.js";
import { Tally } from "./records.js";

/** Where large content lies, and what it is. */
export interface LargeObject {
  readonly id: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of all of them, hex. */
  readonly digest: string;
  /** Records. */
  readonly count: number;
  /** Messages that it is cut into. */
  readonly chunks: number;
}

/** What came: the SHA-256 of its bytes, and the records in them. */
export interface Content {
  readonly digest: string;
  readonly count: number;
}

/** Bytes of a chunk as it is cut here; all but the last one have as many. */
export const CHUNK_BYTES = 128 << 10;
/** Fewest bytes of a chunk that is not the last: it bounds how many there are. */
const CHUNK_MIN = 16 << 10;
/** How long one chunk is waited for before it is asked for, or sent, again. */
export const REQUEST_MS = 10_000;
const AHEAD = 4;

/** What stands in a message in place of the records. */
export function referenceTo(object: LargeObject): { readonly object: LargeObject } {
  const { id, size, digest, count, chunks } = object;
  return { object: { id, size, digest, count, chunks } };
}

/** What the subjects of an object's chunks begin with: under the address of one party, where no other may be. */
export function placeOf(bucket: string, party: string, id: string): string {
  const address = parseAddress(party);
  return `$O.${bucket}.C.${address.kind}.${token(address.id)}.${id}`;
}

/** Digest and count of a body. */
export function contentOf(of: { readonly body: Uint8Array }): Content {
  const tally = new Tally();
  tally.push(of.body);
  return { digest: tally.digest(), count: tally.count };
}

/** The reference in a delivery's body; none where the body is the records. */
export function objectOf(received: Received): LargeObject | undefined {
  // A reference is one object with one member; records have others, and a body of more bytes is none.
  if (received.body.length > 1024) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(textOf(received.body));
  } catch (error) {
    throw new Unverified(received.subject, "body", `the body is no JSON: ${(error as Error).message}`);
  }
  if (typeof body !== "object" || body === null || !("object" in body) || Object.keys(body).length !== 1) return undefined;
  const object = (body.object ?? {}) as LargeObject;
  const whole = (n: unknown): boolean => Number.isSafeInteger(n) && Number(n) > 0;
  const good = isUuid(String(object.id)) && [object.size, object.count, object.chunks].every(whole) && /^[0-9a-f]{64}$/.test(String(object.digest));
  if (!good || object.chunks > Math.floor(object.size / CHUNK_MIN) + 1) {
    throw new Unverified(received.subject, "body", "the body is no reference to large content");
  }
  return object;
}

/** Reads an object that is delivered to `party` piece by piece, and checks that it is the one. */
export async function download(
  nats: NatsConnection, party: string, object: LargeObject, each: (piece: Uint8Array) => void | Promise<void>,
): Promise<Content> {
  const place = `$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT.${placeOf("DEX_LARGE_OUT", party, object.id)}`;
  const chunk = async (n: number): Promise<Uint8Array> => {
    const got = await nats.request(`${place}.${n}`, undefined, { timeout: REQUEST_MS });
    const code = got.headers?.code ?? 0;
    if (code === 404) throw new DexError(`chunk ${n} of ${object.id} is not there, or not any more`);
    if (code >= 400) throw new Error(`the broker says ${code}`);
    return got.data;
  };
  const tally = new Tally();
  const ahead = new Ahead<Uint8Array>(AHEAD);
  for (let asked = 0; asked < object.chunks || !ahead.empty; ) {
    for (; asked < object.chunks && !ahead.full; asked++) {
      const n = asked;
      ahead.begin(patiently(`chunk ${n} of ${object.id}`, () => chunk(n)));
    }
    const piece = await ahead.next();
    tally.push(piece);
    // More than was promised is not handed to anybody.
    if (tally.size > object.size) break;
    await each(piece);
  }
  const content = { digest: tally.digest(), count: tally.count };
  if (tally.size !== object.size || content.digest !== object.digest || content.count !== object.count) {
    throw new DexError("the content is not the one that was delivered: size, digest or count differ");
  }
  return content;
}
