/** JSON in the canonical form of RFC 8785, for what has no fractions: whole numbers up to 2^53 − 1. */

import { ProofError } from "./errors.js";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * The canonical text of a value: no blanks, members in order of their names' UTF-16 units.
 * @throws {@link ProofError} for a number with a fraction, or beyond ±(2^53 − 1)
 */
export function canonical(value: Json): string {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new ProofError(`the number ${value} is no whole number within ±(2^53 − 1)`);
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join(",")}]`;
  // The default order of texts is that of their UTF-16 units.
  const members = Object.entries(value as { readonly [name: string]: Json }).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}
