/** Large content: objects in the bucket `DEX_LARGE_OUT`, chunk by chunk (docs/protocol.md §7.5). */

import type { NatsConnection } from "@nats-io/nats-core";

import { parseAddress, token } from "./address.js";
import { concat, digestOf, textOf } from "./bytes.js";
import { BrokerError, DexError, Unverified } from "./errors.js";
import { isUuid } from "./ids.js";
import type { Received } from "./received.js";

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

/** Content in hand. */
export interface Content {
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly count: number;
}

const REQUEST_MS = 10_000;

/**
 * The records in these bytes: elements of one JSON array, or objects one after the other. Counted by their brackets alone, so
 * that nothing is built of a large content.
 */
export function countRecords(bytes: Uint8Array): number {
  let [depth, count, inText, escaped] = [0, 0, false, false];
  let base: number | undefined;
  for (const byte of bytes) {
    if (inText) {
      if (escaped) escaped = false;
      else if (byte === 0x5c) escaped = true;
      else if (byte === 0x22) inText = false;
    } else if (byte === 0x22) inText = true;
    else if (byte === 0x7b || byte === 0x5b) {
      // The first bracket says whether the records stand in an array.
      base ??= byte === 0x5b ? 1 : 0;
      if (depth === base && byte === 0x7b) count += 1;
      depth += 1;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return count;
}

/** Digest and count of a body. */
export function contentOf(of: { readonly body: Uint8Array }): Content {
  return { bytes: of.body, digest: digestOf(of.body), count: countRecords(of.body) };
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
  const object = body.object as LargeObject;
  const whole = (n: unknown): boolean => Number.isSafeInteger(n) && Number(n) > 0;
  if (!isUuid(String(object.id)) || ![object.size, object.count, object.chunks].every(whole) || !/^[0-9a-f]{64}$/.test(String(object.digest))) {
    throw new Unverified(received.subject, "body", "the body is no reference to large content");
  }
  return object;
}

/** Reads an object that is delivered to `party`, and checks that it is the one. */
export async function download(nats: NatsConnection, party: string, object: LargeObject, maxBytes: number): Promise<Content> {
  if (object.size > maxBytes) throw new DexError(`the content has ${object.size} bytes, more than ${maxBytes}`);
  const { kind, id } = parseAddress(party);
  const place = `$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT.$O.DEX_LARGE_OUT.C.${kind}.${token(id)}.${object.id}`;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let n = 0; n < object.chunks && size <= object.size; n++) {
    const chunk = await nats.request(`${place}.${n}`, undefined, { timeout: REQUEST_MS }).catch((error: unknown) => {
      throw new BrokerError(`chunk ${n} of ${object.id}: ${(error as Error).message}`);
    });
    if ((chunk.headers?.code ?? 0) >= 400) throw new DexError(`chunk ${n} of ${object.id} is not there, or not any more`);
    chunks.push(chunk.data);
    size += chunk.data.length;
  }
  const content = contentOf({ body: concat(...chunks) });
  if (size !== object.size || content.digest !== object.digest || content.count !== object.count) {
    throw new DexError("the content is not the one that was delivered: size, digest or count differ");
  }
  return content;
}
