/** Addresses and subjects (docs/protocol.md §1, §2). */

import { ArgumentError } from "./errors.js";

/** Kinds of parties that speak or are spoken to. */
export const KINDS = [
  "hat", "plug", "app", "org", "platform", "bridge", "operator", "offer", "lane", "dex", "pseudonym",
] as const;

/** One of {@link KINDS}. */
export type Kind = (typeof KINDS)[number];

/** Who or what: `kind:id`, such as `hat:bob.hubat.net`. */
export interface Address {
  /** What it is. */
  readonly kind: Kind;
  /** Its id: 1–128 bytes of `a-z 0-9 . -`, no dot at either end. */
  readonly id: string;
}

/** The id itself, when it is one. */
export function checkId(id: string): string {
  if (!/^(?=.{1,128}$)[a-z0-9-](?:[a-z0-9.-]*[a-z0-9-])?$/.test(id)) {
    throw new ArgumentError(`${JSON.stringify(id)} is no id: 1 to 128 of a-z, 0-9, '.' and '-', no dot at either end`);
  }
  return id;
}

/**
 * Reads `kind:id`.
 * @throws {@link ArgumentError} when it is none
 */
export function parseAddress(text: string): Address {
  const at = text.indexOf(":");
  const kind = KINDS.find((known) => known === text.slice(0, at));
  if (at < 0 || kind === undefined) {
    throw new ArgumentError(`${JSON.stringify(text)} is no address: write kind:id, such as hat:bob.hubat.net`);
  }
  return { kind, id: checkId(text.slice(at + 1)) };
}

/** An id as one token of a subject: each `.` is written `_`. */
export function token(id: string): string {
  return checkId(id).replaceAll(".", "_");
}

/**
 * The subject of a message in: `dex.v1.in.<kind>.<id>.<action>[.<object>]`.
 * @param to an address
 * @param action the action, and the id that it is about, such as `["credit", "fitbit"]`
 */
export function subjectIn(to: string, action: readonly string[]): string {
  const { kind, id } = parseAddress(to);
  return ["dex.v1.in", kind, ...[id, ...action].map(token)].join(".");
}

/** The subject of what comes to a party: `dex.v1.out.<kind>.<id>.<topic…>`; the ids of a topic as they are. */
export function subjectOut(to: string, ...topic: readonly string[]): string {
  const { kind, id } = parseAddress(to);
  return ["dex.v1.out", kind, token(id), ...topic.map(token)].join(".");
}
