/** The trust bundle: who may take part with which rules, checked without asking anybody (docs/protocol.md §10.2). */

import { digestOf, textOf, toHex, utf8 } from "./bytes.js";
import { canonical } from "./canonical.js";
import type { Json } from "./canonical.js";
import { ProofError } from "./errors.js";
import { verify } from "./keys.js";
import { openCheckpoint } from "./outcome.js";
import type { Root } from "./outcome.js";
import { parseTime } from "./time.js";

/** A party as a bundle lists it. */
export interface BundleParty {
  readonly party: string;
  readonly standing: "active" | "suspended" | "retired";
  readonly rules: {
    readonly namespaces?: readonly string[];
    readonly domain?: string;
    readonly version?: string;
    readonly roles?: readonly { readonly role: string; readonly detail?: string }[];
  };
  readonly keys: readonly { readonly key: string; readonly fingerprint: string; readonly from: string; readonly until?: string }[];
}

/** What a bundle says, from `issued` to `expires`. */
export interface TrustBundle {
  readonly v: number;
  readonly origin: string;
  /** Take no bundle with a lower one than one that you had. */
  readonly generation: number;
  readonly issued: string;
  readonly expires: string;
  readonly checkpoint: { readonly treeSize: number; readonly root: string; readonly note: string };
  readonly keys: readonly string[];
  /** Who is not in a complete bundle takes no part; who is not in another is not known. */
  readonly complete: boolean;
  readonly omitted: number;
  readonly parties: readonly BundleParty[];
}

/** Largest bundle that is read, bytes. */
const BYTES_MAX = 1 << 20;
/** How far a bundle's time may lie ahead of the reader's clock. */
const AHEAD = 60_000_000_000n;

/**
 * The bundle in these bytes, when it is the exchange's and in force at `now`: checked in this order are its form, the origin,
 * the key, the signature, the checkpoint that it stands on, and the time.
 * @param bytes as they were received or saved: other bytes are no bundle, not even with a line end after them
 * @param now milliseconds of Unix time
 * @throws {@link ProofError}
 */
export function openTrustBundle(bytes: Uint8Array, root: Root, now: number = Date.now()): TrustBundle {
  if (bytes.length > BYTES_MAX) throw new ProofError(`a trust bundle has at most ${BYTES_MAX} bytes`);
  let envelope: { bundle?: Json; key?: Json; signature?: Json };
  let spelled: string;
  try {
    const text = textOf(bytes);
    envelope = JSON.parse(text) as typeof envelope;
    spelled = text;
  } catch (error) {
    throw new ProofError(`the trust bundle is damaged: ${(error as Error).message}`);
  }
  if (typeof envelope !== "object" || envelope === null || Object.keys(envelope).sort().join() !== "bundle,key,signature") {
    throw new ProofError("the trust bundle has not the members bundle, key and signature");
  }
  if (canonical(envelope as unknown as Json) !== spelled) {
    throw new ProofError("the trust bundle is not written in the canonical form in which it was signed");
  }
  const bundle = envelope.bundle as unknown as TrustBundle;
  if (typeof bundle !== "object" || bundle === null || bundle.origin !== root.origin) {
    throw new ProofError(`the trust bundle is not of the exchange ${root.origin}`);
  }
  const { key, signature } = envelope;
  if (typeof key !== "string" || typeof signature !== "string" || !root.keys.includes(key)) {
    throw new ProofError("the trust bundle is signed with a key that is not known to be the exchange's");
  }
  const digest = digestOf(utf8(canonical(envelope.bundle as Json)));
  if (!verify(key, signature, utf8(["dex-trust-bundle-v1", root.origin, digest].join("\n")))) {
    throw new ProofError("the trust bundle's signature is wrong");
  }
  if (bundle.v !== 1) throw new ProofError(`the trust bundle's version is ${bundle.v}, this program reads 1`);
  const tree = openCheckpoint(bundle.checkpoint.note, root);
  if (tree.size !== BigInt(bundle.checkpoint.treeSize) || toHex(tree.root) !== bundle.checkpoint.root) {
    throw new ProofError("the trust bundle's checkpoint is of another tree than it says");
  }
  const at = BigInt(now) * 1_000_000n;
  if (at + AHEAD < parseTime(bundle.issued)) throw new ProofError(`the trust bundle was issued at ${bundle.issued}, which is yet to come`);
  if (at >= parseTime(bundle.expires)) throw new ProofError(`the trust bundle has expired at ${bundle.expires}: get a new one`);
  return bundle;
}

/**
 * The party's key at a time, when the bundle lists it as in force then and the party as active.
 * @param at milliseconds of Unix time within the bundle's own
 */
export function holds(bundle: TrustBundle, party: string, key: string, at: number = Date.now()): boolean {
  const time = BigInt(at) * 1_000_000n;
  if (time < parseTime(bundle.issued) || time >= parseTime(bundle.expires)) return false;
  const found = bundle.parties.find((listed) => listed.party === party && listed.standing === "active");
  return found?.keys.some((held) =>
    held.key === key && parseTime(held.from) <= time && (held.until === undefined || time < parseTime(held.until))) ?? false;
}

/** The bytes of a bundle that a query answered, as they were signed: what to save for later use without asking. */
export function bundleBytes(answer: Json): Uint8Array {
  return utf8(canonical(answer));
}
