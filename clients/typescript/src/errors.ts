/** What can go wrong, each with a type of its own. */

import type { Outcome } from "./outcome.js";

/** Why the exchange said no: the closed set of docs/protocol.md §8. */
export const REASONS = [
  "malformed", "too-large", "unknown-party", "bad-signature", "revoked-key", "not-permitted", "not-approved",
  "not-connected", "suspended", "retired", "outside-namespace", "debit-not-found", "debit-not-active", "debit-ended",
  "nothing-selected", "pii-not-granted", "conflict", "stale", "over-quota", "recipient-over-quota", "digest-mismatch",
  "count-mismatch", "refused-by-recipient", "deadline-passed", "recalled-by-sender", "not-found", "wrong-state",
  "already-exists", "offer-full", "offer-below-minimum", "internal",
] as const;

/** One of {@link REASONS}. */
export type Reason = (typeof REASONS)[number];

/** An error of an exchange as RFC 9457 problem JSON. */
export interface Problem {
  /** `urn:dex:reason:<reason>`. */
  readonly type: string;
  /** What the reason means. */
  readonly title: string;
  /** HTTP status code. */
  readonly status: number;
  /** What is wrong here and what to do. */
  readonly detail?: string;
  /** Out of the closed set. */
  readonly reason: Reason;
  /** `urn:uuid:<Dex-Id>` of the message that it is about. */
  readonly instance?: string;
}

/** Every error of this package. */
export class DexError extends Error {
  override name = "DexError";
}

/** The exchange refused a message: {@link Refused.reason} says why. */
export class Refused extends DexError {
  override name = "Refused";
  constructor(
    /** The refused message. */
    readonly id: string,
    /** Why. */
    readonly reason: Reason,
    /** What is wrong here, for people. */
    readonly detail: string | undefined,
    /** The ledgered outcome; none where the sender could not be authenticated. */
    readonly outcome: Outcome | undefined,
  ) {
    super(`refused: ${reason}${detail === undefined ? "" : `: ${detail}`} (message ${id})`);
  }
}

/** A query was answered with a problem. */
export class QueryRefused extends DexError {
  override name = "QueryRefused";
  /** Why. */
  readonly reason: Reason;
  constructor(
    /** The query, such as `hat.show`. */
    readonly query: string,
    /** What the exchange said. */
    readonly problem: Problem,
  ) {
    super(`${query}: ${problem.reason}: ${problem.detail ?? problem.title}`);
    this.reason = problem.reason;
  }
}

/**
 * No outcome came in time. The message may still be worked on: trace it by its id, or send it again under the same id
 * (`SendOptions.id`), which does nothing twice.
 */
export class NoOutcome extends DexError {
  override name = "NoOutcome";
  constructor(
    /** The message's id. */
    readonly id: string,
    /** How long was waited, milliseconds. */
    readonly waitedMs: number,
    /** Whether the broker confirmed that it holds the message. */
    readonly stored: boolean,
  ) {
    const held = stored ? "the broker has stored it" : "the broker has not confirmed it";
    super(`no outcome of message ${id} within ${waitedMs} ms (${held}); trace it by this id or send it again under it`);
  }
}

/** A query was not answered in time: is the exchange running, and may this user ask it? */
export class NoAnswer extends DexError {
  override name = "NoAnswer";
  constructor(
    /** The query. */
    readonly query: string,
    /** How long was waited, milliseconds. */
    readonly waitedMs: number,
  ) {
    super(`no answer to ${query} within ${waitedMs} ms: is the exchange running?`);
  }
}

/** What failed of a message that says it is the exchange's. */
export type Fault = "header" | "digest" | "key" | "signature" | "origin" | "body";

/** A message that says it is the exchange's and is not, or is damaged. Do not use it; send no receipt; tell the operator. */
export class Unverified extends DexError {
  override name = "Unverified";
  constructor(
    /** Where it came. */
    readonly subject: string,
    /** Which check failed. */
    readonly fault: Fault,
    /** What is wrong with it. */
    readonly why: string,
  ) {
    super(`a message on ${subject} was not taken: ${why}`);
  }
}

/** A proof, checkpoint or trust bundle that proves nothing. */
export class ProofError extends DexError {
  override name = "ProofError";
}

/** A text that is no key, or a key file that cannot be used. */
export class KeyError extends DexError {
  override name = "KeyError";
}

/** An argument that the protocol does not take, found before anything was sent. */
export class ArgumentError extends DexError {
  override name = "ArgumentError";
}

/** An answer that is not of the protocol's form. */
export class FormError extends DexError {
  override name = "FormError";
}

/** The broker refused or failed. */
export class BrokerError extends DexError {
  override name = "BrokerError";
}
