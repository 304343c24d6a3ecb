/** Keys in files, as `dex keys new` makes them: mode 0600, one line. Node only. */

import { open, readFile, stat } from "node:fs/promises";

import { KeyError } from "./errors.js";
import { SigningKey } from "./keys.js";

/** Longest key file that is read, bytes. */
const FILE_BYTES_MAX = 4096;

/**
 * Reads a key from its file.
 * @throws {@link KeyError} when others can read the file, or it holds no seed
 */
export async function loadKey(path: string): Promise<SigningKey> {
  const found = await stat(path);
  const mode = found.mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new KeyError(`key file ${path} can be read by others (mode ${mode.toString(8)}); run: chmod 600 ${path}`);
  }
  if (found.size > FILE_BYTES_MAX) throw new KeyError(`key file ${path} has more than ${FILE_BYTES_MAX} bytes`);
  try {
    return SigningKey.fromText(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof KeyError) throw new KeyError(`key file ${path}: ${error.message}`);
    throw error;
  }
}

/**
 * Writes a key's seed to a new file that only its owner can read.
 * @throws an error with the code `EEXIST` when the file is there: a key is never written over
 */
export async function storeKey(path: string, key: SigningKey): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(`${key.seedText()}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}
