/** Checkpoints: C2SP tlog-checkpoint in a C2SP signed note, with an Ed25519 key. */

import { fromBase64, same, sha256, toBase64, toHex, utf8 } from "./bytes.js";
import { ProofError } from "./errors.js";
import { publicKeyBytes, verifyRaw } from "./keys.js";

/** Signature type of Ed25519 in signed notes. */
const ED25519 = 1;

/** The size and root of the tree of one log. */
export interface Checkpoint {
  /** Name of the log: the exchange's origin. */
  readonly origin: string;
  /** Leaves in the tree. */
  readonly size: bigint;
  /** Root of the tree, 32 bytes. */
  readonly root: Uint8Array;
}

function bytesOf(text: string, what: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch {
    throw new ProofError(`${what} is not base64`);
  }
}

/** Verifies checkpoints of one log. */
export class CheckpointVerifier {
  readonly #hash: Uint8Array;
  readonly #key: Uint8Array;
  /** Name of the key: the origin of the log. */
  readonly name: string;

  private constructor(name: string, key: Uint8Array) {
    if (!/^[^\s+]+$/u.test(name)) throw new ProofError("the key's name is empty or has white space or '+' in it");
    this.name = name;
    this.#key = key;
    this.#hash = sha256(utf8(`${name}\n`), Uint8Array.of(ED25519), key).subarray(0, 4);
  }

  /** The verifier of the exchange with this origin and public key (`U…`): it signs checkpoints with the same key. */
  static of(origin: string, publicKey: string): CheckpointVerifier {
    return new CheckpointVerifier(origin, publicKeyBytes(publicKey));
  }

  /**
   * From a C2SP verifier key, `<name>+<hash>+<base64>`, as `health` names it (`checkpointKey`).
   * @throws {@link ProofError} when it is none
   */
  static parse(text: string): CheckpointVerifier {
    const [, name, hash, key] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(text.trim()) ?? [];
    if (name === undefined || hash === undefined || key === undefined) {
      throw new ProofError("a verifier key is <name>+<hash>+<base64>");
    }
    const raw = bytesOf(key, "the verifier key");
    if (raw[0] !== ED25519 || raw.length !== 33) throw new ProofError("the verifier key is no Ed25519 key (type 1)");
    const verifier = new CheckpointVerifier(name, raw.subarray(1));
    if (toHex(verifier.#hash) !== hash) throw new ProofError("the verifier key's hash does not fit its name and key");
    return verifier;
  }

  /** The text form, as {@link CheckpointVerifier.parse} reads it. */
  toString(): string {
    return `${this.name}+${toHex(this.#hash)}+${toBase64(Uint8Array.of(ED25519, ...this.#key))}`;
  }

  /**
   * The checkpoint in a note, if this key signed it. Signatures of others (witnesses) are passed over.
   * @throws {@link ProofError} when the note is malformed, of another log, or not rightly signed by this key
   */
  open(note: string): Checkpoint {
    const end = note.lastIndexOf("\n\n");
    if (end < 0 || !note.endsWith("\n")) throw new ProofError("the checkpoint is no signed note");
    const text = note.slice(0, end + 1);
    this.#check(text, note.slice(end + 2, -1).split("\n"));
    const [origin, size, root] = text.split("\n");
    if (origin === undefined || size === undefined || root === undefined || !/^(0|[1-9][0-9]{0,19})$/.test(size)) {
      throw new ProofError("the note is no checkpoint: origin, size and root, one a line");
    }
    if (origin !== this.name) throw new ProofError(`the checkpoint is of the log ${origin}, wanted is ${this.name}`);
    const hash = bytesOf(root, "the checkpoint's root");
    if (hash.length !== 32) throw new ProofError("the checkpoint's root has not 32 bytes");
    return { origin, size: BigInt(size), root: hash };
  }

  #check(text: string, lines: readonly string[]): void {
    for (const line of lines) {
      const [, name, signature] = /^— (\S+) (\S+)$/u.exec(line) ?? [];
      if (name === undefined || signature === undefined) {
        throw new ProofError("a signature line of the checkpoint is not '— <name> <base64>'");
      }
      const blob = bytesOf(signature, "a signature of the checkpoint");
      if (name !== this.name || !same(blob.subarray(0, 4), this.#hash)) continue;
      if (!verifyRaw(this.#key, blob.subarray(4), utf8(text))) throw new ProofError("the checkpoint's signature is wrong");
      return;
    }
    throw new ProofError(`the checkpoint has no signature by the key ${this.toString()}`);
  }
}
