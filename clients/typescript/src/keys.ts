/** Keys: Ed25519, written as user nkeys of NATS (docs/protocol.md §1). */

import { ed25519 } from "@noble/curves/ed25519.js";
import { base32nopad } from "@scure/base";

import { concat, fromBase64Url, toBase64Url } from "./bytes.js";
import { KeyError } from "./errors.js";

/** Prefix byte of a user's public nkey. */
const USER = 20 << 3;
/** Prefix of a seed: its upper 5 bits; the kind of key follows in the next 8 bits. */
const SEED = 18 << 3;

/** CRC-16/XMODEM, the checksum of nkeys. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

function encode(...parts: readonly Uint8Array[]): string {
  const body = concat(...parts);
  const crc = crc16(body);
  return base32nopad.encode(concat(body, Uint8Array.of(crc & 0xff, crc >> 8)));
}

/** The bytes before the checksum, when it is good and the text is the one spelling of them. */
function decode(text: string, bytes: number): Uint8Array | undefined {
  let raw: Uint8Array;
  try {
    raw = base32nopad.decode(text);
  } catch {
    return undefined;
  }
  if (raw.length !== bytes + 2) return undefined;
  const body = raw.subarray(0, bytes);
  return encode(body) === text ? body : undefined;
}

/**
 * A public key's text: 56 characters that begin with `U`.
 * @param bytes the 32 bytes of an Ed25519 public key
 */
export function publicKeyText(bytes: Uint8Array): string {
  if (bytes.length !== 32) throw new KeyError("an Ed25519 public key has 32 bytes");
  return encode(Uint8Array.of(USER), bytes);
}

/**
 * The 32 bytes of a public key's text.
 * @throws {@link KeyError} when it is none
 */
export function publicKeyBytes(text: string): Uint8Array {
  const raw = decode(text, 33);
  if (raw === undefined || raw[0] !== USER) {
    throw new KeyError("a public key is a user nkey: 56 characters that begin with U, with a good checksum");
  }
  return raw.subarray(1);
}

/**
 * Whether this is the key's signature over the text, by the rules of ZIP-215, as the exchange checks them.
 * @param publicKey its text (`U…`)
 * @param signature unpadded base64url
 */
export function verify(publicKey: string, signature: string, text: Uint8Array): boolean {
  const key = publicKeyBytes(publicKey);
  let raw: Uint8Array;
  try {
    raw = fromBase64Url(signature);
  } catch {
    return false;
  }
  return verifyRaw(key, raw, text);
}

/** As {@link verify}, of raw bytes. */
export function verifyRaw(publicKey: Uint8Array, signature: Uint8Array, text: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  try {
    return ed25519.verify(signature, text, publicKey, { zip215: true });
  } catch {
    // Not on the curve.
    return false;
  }
}

/** A party's signing key. Its seed is shown by {@link SigningKey.seedText} alone. */
export class SigningKey {
  readonly #seed: Uint8Array;
  /** The public key's text (`U…`). */
  readonly publicKey: string;

  private constructor(seed: Uint8Array) {
    this.#seed = seed;
    this.publicKey = publicKeyText(ed25519.getPublicKey(seed));
  }

  /** A new key from the system's random source. */
  static generate(): SigningKey {
    return new SigningKey(crypto.getRandomValues(new Uint8Array(32)));
  }

  /** The key of a 32-byte Ed25519 seed (RFC 8032 private key). */
  static fromSeed(seed: Uint8Array): SigningKey {
    if (seed.length !== 32) throw new KeyError("an Ed25519 seed has 32 bytes");
    return new SigningKey(seed.slice());
  }

  /**
   * The key in a text as `dex keys new` writes it: the first line that is a user nkey's seed (`SU…`), so that comments may
   * stand around it.
   * @throws {@link KeyError} when there is none
   */
  static fromText(text: string): SigningKey {
    for (const line of text.split("\n")) {
      const raw = decode(line.trim(), 34);
      // The kind is spread over both prefix bytes: 5 bits of the first say seed, 3 + 5 bits say user.
      if (raw !== undefined && raw[0] === (SEED | (USER >> 5)) && raw[1] === ((USER & 31) << 3)) {
        return SigningKey.fromSeed(raw.subarray(2));
      }
    }
    throw new KeyError("no line is a user nkey's seed (58 characters that begin with SU, with a good checksum)");
  }

  /** The seed as text (`SU…`), for its owner's file. Keep it secret. */
  seedText(): string {
    return encode(Uint8Array.of(SEED | (USER >> 5), (USER & 31) << 3), this.#seed);
  }

  /** The signature over these bytes: plain Ed25519 (RFC 8032), as unpadded base64url. */
  sign(text: Uint8Array): string {
    return toBase64Url(ed25519.sign(text, this.#seed));
  }

  /** The public key: a seed gets into no log by accident. */
  toString(): string {
    return `SigningKey(${this.publicKey})`;
  }

  /** As {@link SigningKey.toString}. */
  toJSON(): string {
    return this.toString();
  }
}
