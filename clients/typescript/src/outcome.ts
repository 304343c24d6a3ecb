/** Outcomes: how an exchange stands, and the offline proof that the ledger says so (docs/protocol.md §6). */

import { CheckpointVerifier } from "./checkpoint.js";
import type { Checkpoint } from "./checkpoint.js";
import { fromBase64, fromHex, same, sha256 } from "./bytes.js";
import { canonical } from "./canonical.js";
import type { Json } from "./canonical.js";
import { readEntry, toldBy } from "./entry.js";
import type { Entry } from "./entry.js";
import { FormError, ProofError } from "./errors.js";
import type { Reason } from "./errors.js";
import { parseTime } from "./time.js";
import { leafHash, rootOf } from "./tree.js";

/** How an exchange, or a registry action, stands. The last five are final. */
export type Status = "accepted" | "pending" | "settled" | "rejected" | "disputed" | "expired" | "recalled";

/** Fields that were left out, for their class was not granted, by class. */
export interface Dropped {
  readonly quasi?: number;
  readonly direct?: number;
  readonly special?: number;
}

/** One part of a fan-out: an exchange with outcomes of its own. */
export interface Part {
  readonly exchange: string;
  readonly debit: string;
  readonly dropped?: Dropped;
}

/** The proof that comes with an outcome when it was asked for. */
export interface Proof {
  /** The entry, base64. */
  readonly entry: string;
  /** Its salt, base64: the leaf data is SHA-256(salt ‖ entry). */
  readonly salt: string;
  /** The inclusion path, hex, lowest first. */
  readonly path: readonly string[];
  /** The signed checkpoint. */
  readonly checkpoint: string;
}

/** What became of a message or an exchange, and where that stands in the ledger. */
export interface Outcome {
  /** The `Dex-Id` of the message, or the id of a part. */
  readonly exchange: string;
  readonly status: Status;
  readonly reason?: Reason;
  readonly parts?: readonly Part[];
  /** The delivery's id at its recipient. */
  readonly delivery?: string;
  /** SHA-256 of the body that came. */
  readonly digestIn: string;
  /** SHA-256 of the body as delivered. */
  readonly digestOut?: string;
  /** Records. */
  readonly count: number;
  readonly dropped?: Dropped;
  /** Time of the entry. */
  readonly at: string;
  /** The entry's place: the ledger's name and the leaf's index, from 0. */
  readonly leaf: { readonly log: string; readonly index: number };
  /** Size of the tree whose signed checkpoint covers the entry. */
  readonly treeSize: number;
  readonly proof?: Proof;
}

const STATUSES: readonly unknown[] = ["accepted", "pending", "settled", "rejected", "disputed", "expired", "recalled"] satisfies Status[];

/**
 * An outcome from its JSON.
 * @throws {@link FormError} when it is none
 */
export function readOutcome(raw: unknown): Outcome {
  const it = (typeof raw === "object" && raw !== null ? raw : {}) as Partial<Outcome>;
  const text = (value: unknown): boolean => typeof value === "string";
  const whole = (value: unknown): boolean => Number.isSafeInteger(value);
  const part = ({ exchange, debit }: Partial<Part>): boolean => text(exchange) && text(debit);
  const wrong = Object.entries({
    exchange: text(it.exchange), status: STATUSES.includes(it.status), digestIn: text(it.digestIn), count: whole(it.count), at: text(it.at),
    leaf: text(it.leaf?.log) && whole(it.leaf?.index), treeSize: whole(it.treeSize),
    parts: it.parts === undefined || (Array.isArray(it.parts) && it.parts.every((one: Partial<Part> | null) => part(one ?? {}))),
  }).filter(([, good]) => !good);
  if (wrong.length > 0) throw new FormError(`an answer is no outcome: ${wrong.map(([name]) => name).join(", ")}`);
  return it as Outcome;
}

/** Whether nothing follows a status. */
export function isFinal(status: Status): boolean {
  return status !== "accepted" && status !== "pending";
}

/** On whose word a proof is taken: the exchange's origin and its keys (`U…`), from a source that you trust. */
export interface Root {
  readonly origin: string;
  readonly keys: readonly string[];
}

/** What an outcome's proof proves: the entry, and the tree that it is in. */
export interface Proved {
  /** The ledger's entry, as it is recorded. */
  readonly entry: Entry;
  /** To whom the exchange owes this outcome. */
  readonly to: string;
  /** The signed tree. */
  readonly tree: Checkpoint;
}

/**
 * A checkpoint that the exchange signed with one of its keys.
 * @throws {@link ProofError}
 */
export function openCheckpoint(note: string, root: Root): Checkpoint {
  let wrong: unknown = new ProofError("no key of the exchange is known");
  for (const key of root.keys) {
    try {
      return CheckpointVerifier.of(root.origin, key).open(note);
    } catch (error) {
      wrong = error;
    }
  }
  throw wrong;
}

/**
 * The bytes of an entry, when it is leaf `index` of the signed tree.
 * @throws {@link ProofError}
 */
export function provedEntry(index: number, proof: Omit<Proof, "checkpoint">, tree: Checkpoint): Uint8Array {
  let [entry, salt, path]: [Uint8Array, Uint8Array, Uint8Array[]] = [new Uint8Array(), new Uint8Array(), []];
  try {
    [entry, salt, path] = [fromBase64(proof.entry), fromBase64(proof.salt), proof.path.map(fromHex)];
  } catch {
    throw new ProofError("the proof has texts that are no base64 or hex");
  }
  if (salt.length !== 32 || path.some((hash) => hash.length !== 32)) {
    throw new ProofError("a salt and each hash of a path have 32 bytes");
  }
  const found = rootOf(leafHash(sha256(salt, entry)), BigInt(index), tree.size, path);
  if (found === undefined || !same(found, tree.root)) {
    throw new ProofError(`leaf ${index} is not in the signed tree of ${tree.size}`);
  }
  return entry;
}

/**
 * Checks an outcome offline: the checkpoint is signed by the exchange, the entry is in its tree, and the entry says what the
 * outcome does. A receipt's outcome is checked the same way. What became of the exchange after this entry it does not prove.
 * @throws {@link ProofError} when any of it is wrong, or the outcome has no proof (send with `wantProof`)
 */
export function verifyOutcome(outcome: Outcome, root: Root): Proved {
  const { proof, leaf, treeSize, ...said } = outcome;
  if (proof === undefined) throw new ProofError("the outcome has no proof: send the message with wantProof");
  const tree = openCheckpoint(proof.checkpoint, root);
  if (leaf.log !== tree.origin) throw new ProofError(`its leaf is in the log ${leaf.log}, its checkpoint of ${tree.origin}`);
  if (BigInt(treeSize) !== tree.size) throw new ProofError(`it names a tree of ${treeSize}, its checkpoint one of ${tree.size}`);
  const entry = readEntry(provedEntry(leaf.index, proof, tree));
  // Times have more than one spelling: they are compared as times.
  const line = (of: object, at: bigint): string => canonical({ ...of, at: at.toString() } as unknown as Json);
  const wanted = line(said, parseTime(said.at));
  const told = toldBy(entry).find((one) => line(one.outcome, entry.at) === wanted);
  if (told === undefined) throw new ProofError("the entry in the ledger says something else than the outcome");
  return { entry, to: told.to, tree };
}
