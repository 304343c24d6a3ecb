/** Bytes and their texts. */

import { sha256 as hash } from "@noble/hashes/sha2.js";
import { base64, base64urlnopad, hex } from "@scure/base";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A text's UTF-8 bytes. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes. Throws when they are none. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** SHA-256 over these bytes, one after the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hasher = hash.create();
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** SHA-256 as the protocol writes it: 64 lower-case hex digits. */
export function digestOf(bytes: Uint8Array): string {
  return toHex(sha256(bytes));
}

/** Lower-case hex digits. */
export function toHex(bytes: Uint8Array): string {
  return hex.encode(bytes);
}

/** Bytes of lower-case hex digits. Throws when the text is anything else. */
export function fromHex(text: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error("is not lower-case hex");
  return hex.decode(text);
}

/** Unpadded base64url, as signatures are written. */
export function toBase64Url(bytes: Uint8Array): string {
  return base64urlnopad.encode(bytes);
}

/** Bytes of unpadded base64url. Throws when the text is anything else. */
export function fromBase64Url(text: string): Uint8Array {
  return base64urlnopad.decode(text);
}

/** Bytes of padded standard base64. Throws when the text is anything else. */
export function fromBase64(text: string): Uint8Array {
  return base64.decode(text);
}

/** Padded standard base64. */
export function toBase64(bytes: Uint8Array): string {
  return base64.encode(bytes);
}

/** Whether these are the same bytes. Not for secrets. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** One after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
