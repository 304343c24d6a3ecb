/** Times: RFC 3339 in UTC, to the nanosecond. */

import { FormError } from "./errors.js";

/**
 * Nanoseconds of Unix time.
 * @throws {@link FormError} when the text is no time of the protocol's form
 */
export function parseTime(text: string): bigint {
  const parts = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z$/.exec(text);
  const whole = parts === null ? NaN : Date.parse(`${parts[1]}Z`);
  if (parts === null || Number.isNaN(whole)) throw new FormError(`${JSON.stringify(text)} is no time like 2026-01-31T12:00:00Z`);
  return BigInt(whole) * 1_000_000n + BigInt((parts[2] ?? "").padEnd(9, "0"));
}
