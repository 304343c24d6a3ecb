/** JSON in the canonical form of RFC 8785. */

import { ArgumentError } from "./errors.js";

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * The canonical text of a value: no blanks, members in order of their names' UTF-16 units, numbers as ECMAScript writes them.
 * @throws {@link ArgumentError} for what is no JSON
 */
export function canonical(value: Json): string {
  if (typeof value === "number" ? !Number.isFinite(value) : value === undefined) throw new ArgumentError(`${value} is no JSON`);
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonical).join(",")}]`;
  // The default order of texts is that of their UTF-16 units.
  const members = Object.entries(value as { readonly [name: string]: Json }).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}
