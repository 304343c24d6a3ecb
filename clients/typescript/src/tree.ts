/** Merkle trees (RFC 6962 hashing): inclusion, consistency, and signatures that several messages share. */

import { fromBase64Url, same, sha256, toHex, utf8 } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
/** Most messages under one signature. */
const TOGETHER_MAX = 16;

/** SHA-256(0x00 ‖ data). */
export function leafHash(data: Uint8Array): Uint8Array {
  return sha256(LEAF, data);
}

/** SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, left, right);
}

/**
 * The root that `path` leads to from leaf `index` of a tree of `size` leaves (RFC 9162 §2.1.3.2); `undefined` when a path
 * there has another length.
 */
export function rootOf(leaf: Uint8Array, index: bigint, size: bigint, path: readonly Uint8Array[]): Uint8Array | undefined {
  if (index < 0n || index >= size) return undefined;
  let [f, s, root] = [index, size - 1n, leaf];
  for (const next of path) {
    if (s === 0n) return undefined;
    if ((f & 1n) === 1n || f === s) {
      root = nodeHash(next, root);
      while ((f & 1n) === 0n && f !== 0n) {
        f >>= 1n;
        s >>= 1n;
      }
    } else {
      root = nodeHash(root, next);
    }
    f >>= 1n;
    s >>= 1n;
  }
  return s === 0n ? root : undefined;
}

/** Whether the tree of `newSize` leaves begins with that of `oldSize` leaves (RFC 9162 §2.1.4.2). */
export function verifyConsistency(
  oldSize: bigint, oldRoot: Uint8Array, newSize: bigint, newRoot: Uint8Array, proof: readonly Uint8Array[],
): boolean {
  if (oldSize > newSize || oldSize < 0n) return false;
  if (oldSize === newSize) return proof.length === 0 && same(oldRoot, newRoot);
  if (oldSize === 0n) return proof.length === 0 && same(oldRoot, sha256());
  const rest = [...proof];
  const first = (oldSize & (oldSize - 1n)) === 0n ? oldRoot : rest.shift();
  if (first === undefined) return false;
  let [f, s] = [oldSize - 1n, newSize - 1n];
  while ((f & 1n) === 1n) {
    f >>= 1n;
    s >>= 1n;
  }
  let [old, now] = [first, first];
  for (const next of rest) {
    if (s === 0n) return false;
    if ((f & 1n) === 1n || f === s) {
      old = nodeHash(next, old);
      now = nodeHash(next, now);
      while ((f & 1n) === 0n && f !== 0n) {
        f >>= 1n;
        s >>= 1n;
      }
    } else {
      now = nodeHash(now, next);
    }
    f >>= 1n;
    s >>= 1n;
  }
  return s === 0n && same(old, oldRoot) && same(now, newRoot);
}

/**
 * The text that a shared signature is over, for the message with this signed text and this `Dex-Path`; `undefined` when that
 * is no path, or one of another length than its place asks for.
 */
export function sharedText(origin: string, path: string, text: Uint8Array): Uint8Array | undefined {
  const parts = /^(0|[1-9][0-9]?)\.([1-9][0-9]?)\.([A-Za-z0-9_-]+)$/.exec(path);
  if (parts === null) return undefined;
  const [index, size] = [Number(parts[1]), Number(parts[2])];
  let bytes: Uint8Array;
  try {
    bytes = fromBase64Url(parts[3] ?? "");
  } catch {
    return undefined;
  }
  if (size < 2 || size > TOGETHER_MAX || index >= size || bytes.length % 32 !== 0 || bytes.length > 4 * 32) return undefined;
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 32) hashes.push(bytes.subarray(at, at + 32));
  const root = rootOf(leafHash(text), BigInt(index), BigInt(size), hashes);
  return root === undefined ? undefined : utf8(["dex-v1-tree", origin, toHex(root)].join("\n"));
}
