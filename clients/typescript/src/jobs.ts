/** What the workers of a plug need of jobs: ids that follow from what they name, and words (docs/protocol.md §5.8). */

import { concat, fromHex, sha256, utf8 } from "./bytes.js";
import { canonical } from "./canonical.js";
import type { Json } from "./canonical.js";
import { ArgumentError } from "./errors.js";
import { isUuid, uuidText } from "./ids.js";

/** Why a fetch failed. */
export type JobError =
  | "unauthorized" | "not-found" | "gone" | "rate-limited" | "timeout" | "network" | "too-large" | "malformed" | "refused" | "internal";

/** What a worker says of a job, on `hat.<hat>.job.<plug>`. */
export type JobWord =
  | { readonly job: string; readonly status: "progress"; readonly continuation: string; readonly records?: number }
  | { readonly job: string; readonly status: "done"; readonly continuation?: string | null; readonly records?: number; readonly retryAfterSeconds?: number }
  | { readonly job: string; readonly status: "failed"; readonly error: JobError; readonly records?: number; readonly retryAfterSeconds?: number };

/** Whose data is fetched, by which plug, of which endpoint (the name below the plug's namespace). */
export interface JobPlace {
  readonly plug: string;
  readonly hat: string;
  readonly endpoint: string;
}

const ZERO = Uint8Array.of(0);

/** SHA-256 of parts with a zero byte between two of them. */
function hash(parts: readonly (string | Uint8Array)[]): Uint8Array {
  const bytes = parts.map((part) => (typeof part === "string" ? utf8(part) : part));
  return sha256(...bytes.flatMap((part, n) => (n === 0 ? [part] : [ZERO, part])));
}

/** Lays version and variant over 16 bytes. */
function uuid(bytes: Uint8Array, version: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | (version << 4));
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return uuidText(bytes);
}

/**
 * The `recordId` of a record that a job brings: the same for the same record of the source, whoever fetched it and how often.
 * @param sourceId the record's id at its source
 * @param data its content
 */
export function recordId(place: JobPlace, sourceId: string, data: Json): string {
  const content = sha256(utf8(canonical(data)));
  return uuid(hash([place.plug, place.hat, place.endpoint, sourceId, content]).slice(0, 16), 8);
}

/**
 * The `Dex-Id` of a credit with these records: who sends the same page again sends the same exchange.
 * @param plannedAt the job's; the time of the attempt when that is more than 50 minutes ago
 */
export function pageId(plannedAt: Date, place: JobPlace, recordIds: readonly string[]): string {
  const ids = recordIds.map((id) => {
    if (!isUuid(id)) throw new ArgumentError(`${JSON.stringify(id)} is no UUID in canonical form`);
    return fromHex(id.replaceAll("-", ""));
  });
  const tail = hash(["dex-v1-page", place.plug, place.hat, place.endpoint, concat(...ids)]).subarray(0, 10);
  const time = new Uint8Array(8);
  new DataView(time.buffer).setBigUint64(0, BigInt(plannedAt.getTime()));
  return uuid(concat(time.subarray(2), tail), 7);
}
