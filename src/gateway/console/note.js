// Checkpoints: C2SP signed notes. Hashes by WebCrypto; Ed25519 by WebCrypto where the browser has it, else by
// noble-ed25519, a small library that comes with the console.

const bytesOf = new TextEncoder();

export const hex = (bytes) => [...bytes].map((it) => it.toString(16).padStart(2, "0")).join("");

export const unhex = (text) => {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error("a hash is not in hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
};

export const unbase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

export const same = (a, b) => a.length === b.length && a.every((it, at) => it === b[at]);

/** Whether this page can check anything: browsers give WebCrypto to pages over https, and from the machine itself. */
export const canCheck = () => Boolean(globalThis.crypto?.subtle);

export const sha256 = async (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", all));
};

/** Whether the signature is the key's, and what has checked it. */
export const checkEd25519 = async (key, signature, message) => {
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error.name !== "NotSupportedError") return { ok: false, by: "WebCrypto" };
    const { verifyAsync } = await import("./ed25519.js");
    return { ok: await verifyAsync(signature, message, key).catch(() => false), by: "noble-ed25519" };
  }
  return { ok: await crypto.subtle.verify("Ed25519", imported, signature, message), by: "WebCrypto" };
};

/** A verifier key `<name>+<hash>+<base64>`; one whose hash does not fit is thrown. */
export const readKey = async (text) => {
  const [, name, hash, rest] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim()) ?? [];
  if (!name) throw new Error("the checkpoint key cannot be read");
  const typed = unbase64(rest);
  if (typed[0] !== 1 || typed.length !== 33) throw new Error("the checkpoint key is no Ed25519 key");
  const made = (await sha256(bytesOf.encode(`${name}\n`), typed)).subarray(0, 4);
  if (hex(made) !== hash) throw new Error("the checkpoint key does not fit its own hash");
  return { name, hash, key: typed.subarray(1) };
};

/** The parts of a note: its text, what it says, who is said to have signed. */
export const readNote = (note) => {
  const at = note.lastIndexOf("\n\n");
  if (at < 0) throw new Error("the checkpoint has no signature");
  const text = note.slice(0, at + 1);
  const [origin, size, root] = text.split("\n");
  if (!origin || !/^(0|[1-9]\d*)$/.test(size ?? "") || !root) throw new Error("the checkpoint cannot be read");
  const signatures = note
    .slice(at + 2)
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [, name, blob] = /^— (\S+) (\S+)$/.exec(line) ?? [];
      if (!name) throw new Error("a signature of the checkpoint cannot be read");
      const bytes = unbase64(blob);
      return { name, hash: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
    });
  return { text, origin, size: Number(size), root: unbase64(root), signatures };
};

/** Checks a note by the exchange's key: `{ ok, why?, by?, note?, others }`. */
export const checkNote = async (text, keyText) => {
  try {
    const [note, key] = [readNote(text), await readKey(keyText)];
    const own = note.signatures.find((it) => it.name === key.name && it.hash === key.hash);
    const others = note.signatures.filter((it) => it !== own);
    if (note.origin !== key.name) return { ok: false, why: `the checkpoint is of ${note.origin}, the key of ${key.name}`, note, others };
    if (!own) return { ok: false, why: "the checkpoint is not signed by the exchange's key", note, others };
    const { ok, by } = await checkEd25519(key.key, own.signature, bytesOf.encode(note.text));
    return { ok, why: ok ? undefined : "the signature of the checkpoint is wrong", by, note, others };
  } catch (error) {
    return { ok: false, why: error.message, others: [] };
  }
};
