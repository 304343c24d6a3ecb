/** Questions and answers of `dex.v1.api.*` (docs/protocol.md §10). Answers may have more: ignore what you do not know. */

import type { Reason } from "./errors.js";
import type { Status } from "./outcome.js";

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The `after` of the next page; absent on the last. */
  readonly next?: string;
}

/** Where a list goes on, and how long a page is. */
export interface Paged {
  readonly after?: string;
  readonly limit?: number;
}

/** How a party stands. */
export interface Standing {
  readonly party: string;
  readonly approved: boolean;
  readonly standing: "unknown" | "pending" | "active" | "suspended" | "retired";
  readonly profile?: unknown;
  readonly keys: readonly {
    readonly key: string; readonly from: string; readonly until?: string; readonly n: number; readonly inForce: boolean;
  }[];
  readonly pending: readonly { readonly key: string; readonly fingerprint: string; readonly at: string }[];
  readonly at: string;
  readonly [more: string]: unknown;
}

/** One step of an exchange. */
export interface Step {
  readonly leaf: number;
  readonly at: string;
  readonly entity: string;
  readonly n: number;
  readonly event: string;
  readonly status?: Status;
  readonly reason?: Reason;
  readonly [more: string]: unknown;
}

/** A debit as lists tell it. */
export interface DebitItem {
  readonly debit: string;
  readonly standing: string;
  readonly revision: number | null;
  readonly revisions: number;
  readonly client: string;
  readonly active: boolean;
  readonly ended: boolean;
  readonly waits: boolean;
  readonly purpose: string;
  readonly [more: string]: unknown;
}

/** The exchange, as it says of itself. Over an unprotected connection it proves nothing. */
export interface Health {
  readonly origin: string;
  readonly key: string;
  /** Its signing keys, newest first. */
  readonly keys: readonly string[];
  /** The verifier key of its checkpoints. */
  readonly checkpointKey: string;
  readonly version: string;
  readonly ready: boolean;
  readonly at: string;
  readonly treeSize: number;
  readonly signatures: "required" | "trusted-broker";
  readonly [more: string]: unknown;
}

/** A proof of one leaf, hashes in hex. */
export interface LeafProof {
  readonly leaf: number;
  readonly treeSize: number;
  readonly commitment: string;
  readonly leafHash: string;
  readonly root: string;
  readonly path: readonly string[];
  readonly checkpoint: string;
  readonly consistency?: readonly string[];
}

interface Q<Question, Answer> {
  readonly question: Question;
  readonly answer: Answer;
}

type List<T> = Q<Paged, Page<T>>;

/** The queries whose form this package knows; any other is asked by its name. */
export interface Queries {
  readonly "health": Q<object, Health>;
  readonly "exchange.trace": Q<{ readonly id: string }, {
    readonly exchange: string; readonly status?: Status; readonly reason?: Reason; readonly steps: readonly Step[]; readonly treeSize: number; readonly truncated?: boolean;
  }>;
  readonly "trust.verify": Q<{ readonly party: string; readonly at?: string; readonly proof?: boolean }, Standing>;
  readonly "hat.show": Q<{ readonly hat: string }, Standing & { readonly plugs: readonly string[]; readonly apps: readonly string[]; readonly debits: readonly DebitItem[] }>;
  readonly "plug.show": Q<{ readonly plug: string }, Standing & { readonly connections: number }>;
  readonly "hat.list": List<Standing>;
  readonly "plug.list": List<Standing>;
  readonly "org.list": List<Standing>;
  readonly "app.list": List<Standing>;
  readonly "platform.list": List<Standing>;
  readonly "debit.list": Q<Paged & { readonly hat: string }, Page<DebitItem> & { readonly hat: string }>;
  readonly "debit.show": Q<{ readonly hat: string; readonly debit: string }, DebitItem & { readonly hat: string; readonly [more: string]: unknown }>;
  readonly "ledger.checkpoint": Q<object, { readonly checkpoint: string; readonly treeSize: number; readonly origin: string }>;
  readonly "ledger.proof": Q<{ readonly leaf: number; readonly treeSize?: number }, LeafProof>;
  readonly "stats.summary": Q<object, { readonly accepted: number; readonly settled: number; readonly open: number; readonly [more: string]: unknown }>;
}
