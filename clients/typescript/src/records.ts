/** Records in content that comes piece by piece: counted by their brackets alone, so that nothing is built of them. */

import { sha256 } from "@noble/hashes/sha2.js";

import { toHex } from "./bytes.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Size, digest and records of a content: elements of one JSON array, or objects one after the other. */
export class Tally {
  size = 0;
  count = 0;
  readonly #hash = sha256.create();
  #depth = 0;
  #base: number | undefined;
  #inText = false;
  #escaped = false;

  /** The next bytes. */
  push(piece: Uint8Array): void {
    this.size += piece.length;
    this.#hash.update(piece);
    // In local variables: this is done for every byte of up to 1 GiB.
    let [depth, count, base, inText, escaped] = [this.#depth, this.count, this.#base, this.#inText, this.#escaped];
    for (const byte of piece) {
      if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inText = false;
      } else if (byte === QUOTE) inText = true;
      else if (byte === 0x7b || byte === 0x5b) {
        // The first bracket says whether the records stand in an array.
        base ??= byte === 0x5b ? 1 : 0;
        if (depth === base && byte === 0x7b) count += 1;
        depth += 1;
      } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    }
    [this.#depth, this.count, this.#base, this.#inText, this.#escaped] = [depth, count, base, inText, escaped];
  }

  /** Whether every bracket and text is closed, and there is a record. */
  get whole(): boolean {
    return this.count > 0 && this.#depth === 0 && !this.#inText;
  }

  /** SHA-256 of all that came, hex. */
  digest(): string {
    return toHex(this.#hash.clone().digest());
  }
}
