// Proves in the browser what the exchange says: leaves by their paths (RFC 9162), trees by one another, and each step of an
// exchange by the entry that the ledger holds.

import { decode } from "./msgpack.js";
import { hex, same, sha256, unbase64, unhex } from "./note.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const odd = (n) => n % 2 === 1;
const half = (n) => Math.floor(n / 2);

export const leafHash = (commitment) => sha256(LEAF, commitment);
export const nodeHash = (left, right) => sha256(NODE, left, right);

/** The root that a path leads to (RFC 9162 §2.1.3.2); null when no path of that length belongs there. */
export const rootOf = async (leaf, index, size, path) => {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) return null;
  let [f, s, root] = [index, size - 1, leaf];
  for (const next of path) {
    if (s === 0) return null;
    if (odd(f) || f === s) {
      root = await nodeHash(next, root);
      while (!odd(f) && f !== 0) [f, s] = [half(f), half(s)];
    } else {
      root = await nodeHash(root, next);
    }
    [f, s] = [half(f), half(s)];
  }
  return s === 0 ? root : null;
};

/** Whether the tree of `next` leaves begins with that of `old` leaves (RFC 9162 §2.1.4.2). */
export const extendsTree = async (old, oldRoot, next, nextRoot, proof) => {
  if (old > next) return false;
  if (old === next) return proof.length === 0 && same(oldRoot, nextRoot);
  if (old === 0) return proof.length === 0;
  let [f, s, rest] = [old - 1, next - 1, proof];
  while (odd(f)) [f, s] = [half(f), half(s)];
  let first = oldRoot;
  if (f !== 0) {
    [first, ...rest] = proof;
    if (!first) return false;
  }
  let [fr, sr] = [first, first];
  for (const hash of rest) {
    if (s === 0) return false;
    if (odd(f) || f === s) {
      [fr, sr] = [await nodeHash(hash, fr), await nodeHash(hash, sr)];
      while (!odd(f) && f !== 0) [f, s] = [half(f), half(s)];
    } else {
      sr = await nodeHash(sr, hash);
    }
    [f, s] = [half(f), half(s)];
  }
  return s === 0 && same(fr, oldRoot) && same(sr, nextRoot);
};

const uuid = (bytes) => hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
const nanoseconds = (text) => {
  const [, day, clock, part] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  if (!day) return null;
  return BigInt(Date.parse(`${day}T${clock}Z`)) * 1000000n + BigInt((part ?? "").padEnd(9, "0"));
};
const kebab = (name) => name.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
const NAMES = { Fanned: "fanned-out", Seconded: "approved-by-one" };
const OPENS = ["Opened", "Released", "Fetched"];
const STATUS = {
  Opened: "accepted", Released: "accepted", Fetched: "accepted", Fanned: "accepted", Fetching: "pending", Held: "pending",
  Rejected: "rejected", Dropped: "rejected", DeadLetter: "rejected", Disputed: "disputed", Expired: "expired", Recalled: "recalled",
  RecallRequested: null, LateReceipt: null, RefusedUnauthenticated: null,
};
const REASON = { Expired: "deadline-passed", Recalled: "recalled-by-sender" };

const authority = (it) => {
  const [[kind, id]] = Object.entries(it);
  return `${kind}:${id}`;
};

const opened = (it) => ({
  exchange: uuid(it.exchange), direction: it.direction, authority: authority(it.authority), to: it.to, delivery: uuid(it.delivery),
  deadline: it.deadline, digestIn: hex(it.digest_in), digestOut: hex(it.digest_out), countIn: it.count_in, countOut: it.count_out,
  bytesIn: it.bytes_in, bytesOut: it.bytes_out, parent: it.parent && uuid(it.parent), pull: it.pull && uuid(it.pull),
  dropped: it.dropped,
});

const fetching = (it) => ({
  exchange: uuid(it.exchange), direction: it.direction, authority: authority(it.authority), to: it.to, delivery: uuid(it.delivery),
  deadline: it.deadline, digestIn: hex(it.object.digest), countIn: it.object.count, bytesIn: it.object.size,
});

const closed = (it) => ({
  exchange: uuid(it.exchange), delivery: uuid(it.delivery), to: it.to, digestOut: hex(it.digest_out), countOut: it.count,
  openedAt: it.opened_at,
});

/** What a step of this entry has to say, by the entry itself. */
export const told = (entry) => {
  const [name, body] = typeof entry.event === "string" ? [entry.event, null] : Object.entries(entry.event)[0];
  const status = name in STATUS ? STATUS[name] : "settled";
  const says = { entity: entry.entity, n: entry.n, at: entry.at, event: NAMES[name] ?? kebab(name) };
  if (status) says.status = status;
  const reason = body?.reason ?? REASON[name];
  if (status && reason) says.reason = reason;
  if (entry.cause) {
    Object.assign(says, { message: uuid(entry.cause.id), from: entry.cause.from, subject: entry.cause.subject, digestIn: hex(entry.cause.body) });
  }
  says.basis = entry.basis ?? [];
  if (OPENS.includes(name)) Object.assign(says, opened(body));
  else if (name === "Fetching") Object.assign(says, fetching(body));
  else if (name === "Held") Object.assign(says, opened(body.opened));
  else if (["Settled", "Expired", "Recalled"].includes(name)) Object.assign(says, closed(body));
  else if (["Disputed", "Dropped"].includes(name)) Object.assign(says, closed(body.closed));
  else if (name === "RecallRequested") Object.assign(says, { exchange: uuid(body.exchange), delivery: uuid(body.delivery), to: body.to });
  else if (name === "LateReceipt") Object.assign(says, { delivery: uuid(body.delivery), verdict: body.verdict });
  else if (name === "Fanned") {
    const parts = body.parts.map(({ exchange, debit, dropped }) => ({ exchange: uuid(exchange), debit, ...(dropped ? { dropped } : {}) }));
    Object.assign(says, { digestIn: hex(body.digest), countIn: body.count, parts });
  }
  return says;
};

const TIMES = ["at", "deadline", "openedAt"];
/** Fields of steps that are not read out of entries: sums of what a HAT reports of itself. */
const UNREAD = ["kinds", "repeated", "unreadable"];
const sorted = (it) => (it && typeof it === "object" && !Array.isArray(it) ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1))) : it);
const plain = (value) => JSON.stringify(value ?? null, (_, it) => (typeof it === "bigint" ? String(it) : sorted(it)));

/** The fields of a step that say something else than its entry, and those that are not read out of it. */
export const compare = (step, entry) => {
  const says = told(entry);
  const [wrong, unproven] = [[], []];
  for (const [name, value] of Object.entries(step)) {
    if (name === "leaf") continue;
    if (UNREAD.includes(name)) {
      unproven.push(name);
    } else if (!(name in says)) {
      wrong.push(name); // The entry says nothing of the kind.
    } else if (TIMES.includes(name) ? nanoseconds(value) !== BigInt(says[name] ?? 0) : plain(value) !== plain(says[name])) {
      wrong.push(name);
    }
  }
  // What was left out of the step would hide as well as what was changed.
  for (const name of Object.keys(says)) {
    const empty = says[name] === null || says[name] === undefined || (name === "basis" && says.basis.length === 0);
    if (!empty && !(name in step)) wrong.push(name);
  }
  return { wrong, unproven };
};

/** Proves one step by its statement, in the tree that a checked note names: `{ ok, why?, unproven, root?, leafHash? }`. */
export const proveStep = async (step, statement, note) => {
  const failed = (why) => ({ ok: false, why, unproven: [] });
  if (!statement) return failed("the exchange brought no proof of this step");
  try {
    if (statement.leaf !== step.leaf) return failed("the proof is of another leaf");
    const entry = unbase64(statement.entry);
    const leaf = await leafHash(await sha256(unbase64(statement.salt), entry));
    const root = await rootOf(leaf, statement.leaf, note.size, statement.path.map(unhex));
    if (!root || !same(root, note.root)) return failed("its entry is not in the tree that the checkpoint signs");
    const { wrong, unproven } = compare(step, decode(entry));
    if (wrong.length > 0) return { ...failed(`the step says something else than its entry: ${wrong.join(", ")}`), leafHash: hex(leaf) };
    return { ok: true, unproven, leafHash: hex(leaf), path: statement.path.length };
  } catch (error) {
    return failed(error.message);
  }
};
