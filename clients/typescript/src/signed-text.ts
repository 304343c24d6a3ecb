/** The text that a signature is over (docs/protocol.md §4). */

import { utf8 } from "./bytes.js";

/** Header values by name; an absent header has no entry. */
export type HeaderValues = Readonly<Record<string, string>>;

const IN = ["Dex-Id", "Dex-From", "Dex-Key", "Dex-Deadline", "Dex-Reply", "Dex-Want", "Dex-Pull"] as const;
const OUT = ["Dex-Source", "Dex-Count", "Dex-Receipt-To", "Dex-Authority"] as const;

function head(version: string, origin: string, subject: string, headers: HeaderValues, bodyDigest: string): string[] {
  return [version, origin, subject, ...IN.map((name) => headers[name] ?? ""), bodyDigest];
}

/** Lines joined by LF; the last header has a line only where it is there. */
function joined(lines: string[], last: string | undefined): Uint8Array {
  return utf8((last === undefined ? lines : [...lines, last]).join("\n"));
}

/**
 * The text of a message to the exchange.
 * @param bodyDigest SHA-256 of the body, hex
 */
export function signedTextIn(origin: string, subject: string, headers: HeaderValues, bodyDigest: string): Uint8Array {
  return joined(head("dex-v1", origin, subject, headers, bodyDigest), headers["Dex-Job"]);
}

/**
 * The text of a message from the exchange.
 * @param bodyDigest SHA-256 of the body, hex
 */
export function signedTextOut(origin: string, subject: string, headers: HeaderValues, bodyDigest: string): Uint8Array {
  const lines = head("dex-v1-out", origin, subject, headers, bodyDigest);
  return joined([...lines, ...OUT.map((name) => headers[name] ?? "")], headers["Dex-Digest-In"]);
}
