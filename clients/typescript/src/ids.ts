/** Fresh message ids: UUIDv7, each greater than the one before. */

const COUNT_MAX = 0x0fff;

/** Gives out ids. RFC 9562 §6.2, method 1: a counter after the time, begun anew each millisecond. */
export class Ids {
  #ms = 0;
  #count = 0;

  /** An id of the time `now` (milliseconds of Unix time), greater than every id given out before. */
  next(now: number = Date.now()): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    if (now > this.#ms) {
      this.#ms = now;
      // Half of the range is left for the ids that follow in this millisecond.
      this.#count = (((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)) & 0x07ff;
    } else if (this.#count < COUNT_MAX) {
      this.#count += 1;
    } else {
      this.#ms += 1;
      this.#count = 0;
    }
    const view = new DataView(bytes.buffer);
    view.setUint32(0, Math.floor(this.#ms / 0x10000));
    view.setUint16(4, this.#ms % 0x10000);
    view.setUint16(6, 0x7000 | this.#count);
    view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
    return uuidText(bytes);
  }
}

/** The canonical form of 16 bytes: 36 lower-case characters. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Whether the text is a UUID in canonical form. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** A random UUID (version 4). `crypto.randomUUID` is not there in pages without TLS. */
export function randomUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return uuidText(bytes);
}
