/** Sending large content: cut into chunks, which are stored under the sender's own address (docs/protocol.md §7.5). */

import { headers as newHeaders } from "@nats-io/nats-core";
import type { NatsConnection } from "@nats-io/nats-core";

import { textOf } from "./bytes.js";
import { ArgumentError, BrokerError } from "./errors.js";
import { randomUuid } from "./ids.js";
import { CHUNK_BYTES, REQUEST_MS, placeOf } from "./large.js";
import type { LargeObject } from "./large.js";
import { Ahead, patiently } from "./patience.js";
import { Tally } from "./records.js";

/**
 * Content to send: a JSON array of records, or JSON Lines. Bytes; a `Blob` or `File`; or anything that brings bytes one after
 * the other, such as a stream of Node's `createReadStream`.
 */
export type Source = Uint8Array | Blob | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Most bytes of a content; an exchange may take fewer. */
const LARGE_MAX = 2 ** 30;
const UNDER_WAY = 8;
const THERE_ALREADY = 10_071;
const FULL = 10_077;

async function* pieces(source: Source): AsyncGenerator<Uint8Array, void, undefined> {
  if (source instanceof Uint8Array) {
    for (let at = 0; at < source.length; at += CHUNK_BYTES) yield source.subarray(at, at + CHUNK_BYTES);
  } else if (source instanceof Blob) {
    for (let at = 0; at < source.size; at += CHUNK_BYTES) yield new Uint8Array(await source.slice(at, at + CHUNK_BYTES).arrayBuffer());
  } else {
    for await (const piece of source) {
      if (!(piece instanceof Uint8Array)) throw new ArgumentError("content is brought as bytes, without an encoding");
      yield piece;
    }
  }
}

/** The content in chunks, all of them whole but the last. */
export async function* chunksOf(source: Source): AsyncGenerator<Uint8Array, void, undefined> {
  // Copied: who brings a piece may fill the same bytes anew. A chunk belongs to whom it was handed to.
  let chunk = new Uint8Array(CHUNK_BYTES);
  let size = 0;
  for await (const piece of pieces(source)) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + CHUNK_BYTES - size);
      chunk.set(part, size);
      at += part.length;
      size += part.length;
      if (size === CHUNK_BYTES) {
        yield chunk;
        [chunk, size] = [new Uint8Array(CHUNK_BYTES), 0];
      }
    }
  }
  if (size > 0) yield chunk.subarray(0, size);
}

/** Stores one chunk; one that is there already stays as it is. */
async function put(nats: NatsConnection, subject: string, chunk: Uint8Array): Promise<void> {
  const headers = newHeaders();
  headers.set("Nats-Expected-Last-Subject-Sequence", "0");
  const answer = await nats.request(subject, chunk, { timeout: REQUEST_MS, headers });
  const { error } = JSON.parse(textOf(answer.data)) as { error?: { err_code?: number; description?: string } };
  if (error === undefined || error.err_code === THERE_ALREADY) return;
  // It goes well when something has left it.
  if (error.err_code === FULL) throw new Error(`the bucket is full: ${error.description}`);
  throw new BrokerError(`the bucket refuses it: ${error.description}`);
}

/** Stores a content for one message of `party`; a few chunks are in memory at a time. */
export async function upload(nats: NatsConnection, party: string, source: Source): Promise<LargeObject> {
  const id = randomUuid();
  const place = placeOf("DEX_LARGE_IN", party, id);
  const tally = new Tally();
  const ahead = new Ahead<void>(UNDER_WAY);
  let chunks = 0;
  for await (const chunk of chunksOf(source)) {
    tally.push(chunk);
    if (tally.size > LARGE_MAX) throw new ArgumentError(`the content has more than ${LARGE_MAX} bytes`);
    if (ahead.full) await ahead.next();
    const n = chunks++;
    ahead.begin(patiently(`chunk ${n} of ${id}`, () => put(nats, `${place}.${n}`, chunk)));
  }
  while (!ahead.empty) await ahead.next();
  if (!tally.whole) throw new ArgumentError("the content is no JSON array of records, nor records as JSON Lines");
  return { id, size: tally.size, digest: tally.digest(), count: tally.count, chunks };
}
