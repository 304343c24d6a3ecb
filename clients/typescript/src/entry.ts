/** Entries of the ledger: read, and the outcomes that follow from them. */

import { decode } from "@msgpack/msgpack";

import { digestOf, toHex } from "./bytes.js";
import { ProofError } from "./errors.js";
import type { Reason } from "./errors.js";
import { uuidText } from "./ids.js";
import type { Outcome, Part, Status } from "./outcome.js";

/** Fields of an entry: MessagePack with names. Ids are 16 bytes, digests 32, times nanoseconds. */
export type Fields = { readonly [name: string]: unknown };

/** One entry: an event of one entity, with the message that caused it. */
export interface Entry {
  /** Who decided. */
  readonly entity: string;
  /** The entity's entry number: 1, 2, 3… */
  readonly n: number;
  /** Event time, nanoseconds of Unix time. */
  readonly at: bigint;
  /** What happened: the event's name, such as `Opened`. */
  readonly event: string;
  /** The event's fields; empty for one that has none. */
  readonly fields: Fields;
  /** The facts of the message that caused it, when one did. */
  readonly cause: Fields | undefined;
}

/** An outcome without its place in the ledger and time, and to whom it is told. */
export interface Told {
  readonly to: string;
  readonly outcome: Omit<Outcome, "leaf" | "treeSize" | "proof" | "at">;
}

const fault = (what: string): ProofError => new ProofError(`the leaf holds no entry that this version reads: ${what}`);

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw fault(`${name} is no text`);
  return value;
}

function number(fields: Fields, name: string): bigint {
  const value = fields[name];
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw fault(`${name} is no number`);
}

function bytes(fields: Fields, name: string, length: number): Uint8Array {
  const value = fields[name];
  if (!(value instanceof Uint8Array) || value.length !== length) throw fault(`${name} has not ${length} bytes`);
  return value;
}

const id = (fields: Fields, name: string): string => uuidText(bytes(fields, name, 16));
const digest = (fields: Fields, name: string): string => toHex(bytes(fields, name, 32));
const count = (fields: Fields, name: string): number => Number(number(fields, name));

/**
 * Reads an entry.
 * @throws {@link ProofError}
 */
export function readEntry(raw: Uint8Array): Entry {
  let value: unknown;
  try {
    value = decode(raw, { useBigInt64: true });
  } catch (error) {
    throw fault(String(error));
  }
  if (!isFields(value)) throw fault("it is no map");
  const event = value["event"];
  const [name, fields] = typeof event === "string" ? [event, {}] : isFields(event) ? (Object.entries(event)[0] ?? []) : [];
  if (name === undefined) throw fault("it has no event");
  const cause = value["cause"];
  return {
    entity: text(value, "entity"),
    n: count(value, "n"),
    at: number(value, "at"),
    event: name,
    fields: isFields(fields) ? fields : {},
    cause: isFields(cause) ? cause : undefined,
  };
}

/** Events that tell their causer nothing, or are caused by nobody. */
const SILENT = new Set(["RefusedUnauthenticated", "DeadLetter", "OperatorDeclared", "Expired"]);
/** Asked of somebody else, or on its way. */
const ACCEPTED = new Set(["Opened", "Fanned", "RecallRequested", "Claimed", "PlugAsked", "OfferPulled"]);
const REASONED: Readonly<Record<string, Status>> = {
  Held: "pending", Rejected: "rejected", OfferRefused: "rejected", Disputed: "disputed",
};
const FIXED: Readonly<Record<string, readonly [Status, Reason?]>> = {
  Fetching: ["pending"], Seconded: ["pending", "not-approved"], Recalled: ["recalled", "recalled-by-sender"],
  LateReceipt: ["rejected", "wrong-state"],
};

/** What the causer of an entry is told first. */
function first(entry: Entry): readonly [Status, Reason?] | undefined {
  const { event, fields } = entry;
  if (SILENT.has(event)) return undefined;
  if (ACCEPTED.has(event)) return ["accepted"];
  const reasoned = REASONED[event];
  if (reasoned !== undefined) return [reasoned, text(fields, "reason") as Reason];
  return FIXED[event] ?? ["settled"];
}

/** `{dropped}` when any fields were left out. */
function dropped(of: Fields): { dropped?: object } {
  const found = of["dropped"];
  if (!isFields(found)) return {};
  return { dropped: Object.fromEntries(Object.entries(found).map(([name, n]) => [name, Number(n)])) };
}

const why = (reason: Reason | undefined): { reason?: Reason } => (reason === undefined ? {} : { reason });

/** The exchange in an event: `Opened`, `Closed` or `Fetching`, which may be the event itself or its field. */
function inner(fields: Fields, name: "opened" | "closed"): Fields {
  const found = fields[name];
  return isFields(found) ? found : fields;
}

/** Count and parts of a fan-out. */
function fanned(fields: Fields): { count: number; parts?: Part[] } {
  const parts = Array.isArray(fields["parts"]) ? (fields["parts"] as unknown[]) : [];
  const each = parts.map((part) => {
    if (!isFields(part)) throw fault("a part is no map");
    return { exchange: id(part, "exchange"), debit: text(part, "debit"), ...dropped(part) };
  });
  return { count: count(fields, "count"), ...(each.length > 0 ? { parts: each } : {}) };
}

function firstOutcome(entry: Entry): Told | undefined {
  const { cause, event, fields } = entry;
  const told = first(entry);
  if (cause === undefined || told === undefined || text(cause, "from").startsWith("dex:")) return undefined;
  const [status, reason] = told;
  let more: object = {};
  let digestIn = digest(cause, "body");
  if (event === "Opened" || event === "Held") {
    const opened = inner(fields, "opened");
    more = { delivery: id(opened, "delivery"), digestOut: digest(opened, "digest_out"), count: count(opened, "count_out"), ...dropped(opened) };
  } else if (event === "Fetching") {
    const object = fields["object"];
    if (!isFields(object)) throw fault("object is no map");
    digestIn = digest(object, "digest");
    // What goes to all debits has no delivery of its own.
    const debits = fields["debits"];
    const parted = Array.isArray(debits) && debits.length > 0;
    more = { ...(parted ? {} : { delivery: id(fields, "delivery") }), count: count(object, "count") };
  } else if (event === "Fanned") {
    more = fanned(fields);
  } else if (event === "Settled" || event === "Disputed" || event === "Recalled") {
    const closed = inner(fields, "closed");
    more = { delivery: id(closed, "delivery"), count: count(closed, "count") };
  } else if (event === "LateReceipt") {
    more = { delivery: id(fields, "delivery") };
  } else if (event === "NoticePosted") {
    more = { delivery: id(fields, "notice") };
  }
  return { to: text(cause, "from"), outcome: { exchange: id(cause, "id"), status, ...why(reason), digestIn, count: 0, ...more } };
}

/** What the sender of an exchange is told when it ends, or goes on. */
function later(of: Fields, status: Status, reason: Reason | undefined, counted: "count" | "count_out"): Told {
  return {
    to: text(of, "from"),
    outcome: {
      exchange: id(of, "exchange"), status, ...why(reason), delivery: id(of, "delivery"), digestIn: digest(of, "digest_in"),
      digestOut: digest(of, "digest_out"), count: count(of, counted), ...(counted === "count_out" ? dropped(of) : {}),
    },
  };
}

function answered(entry: Entry, to: string, asked: string, status: Status, reason?: Reason): Told {
  const digestIn = entry.cause === undefined ? digestOf(new Uint8Array()) : digest(entry.cause, "body");
  return { to, outcome: { exchange: asked, status, ...why(reason), digestIn, count: 0 } };
}

/** All outcomes that follow from an entry, and to whom each is told. */
export function toldBy(entry: Entry): Told[] {
  const { event, fields, entity } = entry;
  const all: Told[] = [];
  const begun = firstOutcome(entry);
  if (begun !== undefined) all.push(begun);
  const reason = (): Reason => text(fields, "reason") as Reason;
  const plug = (): string => `plug:${text(fields, "plug")}`;
  if (event === "Released" || event === "Fetched") all.push(later(fields, "accepted", undefined, "count_out"));
  else if (event === "Fanned" && isFields(fields["fetched"])) {
    // Large content for all debits: what it has become, once it was fetched.
    const fetched = fields["fetched"];
    const digestIn = digest(fetched, "digest_in");
    all.push({ to: text(fetched, "from"), outcome: { exchange: id(fetched, "exchange"), status: "accepted", digestIn, ...fanned(fields) } });
  } else if (event === "PullRefused") {
    const digestIn = digest(fields, "digest");
    all.push({ to: text(fields, "by"), outcome: { exchange: id(fields, "pull"), status: "rejected", reason: reason(), digestIn, count: 0 } });
  } else if (event === "Held") {
    const opened = inner(fields, "opened");
    const large = opened["large"] !== undefined && opened["large"] !== null;
    if (entry.cause === undefined && large) all.push(later(opened, "pending", reason(), "count_out"));
  } else if (event === "Dropped") all.push(later(inner(fields, "closed"), "rejected", reason(), "count"));
  else if (event === "Settled") all.push(later(fields, "settled", undefined, "count"));
  else if (event === "Disputed") all.push(later(inner(fields, "closed"), "disputed", reason(), "count"));
  else if (event === "Expired") all.push(later(fields, "expired", "deadline-passed", "count"));
  else if (event === "Recalled") all.push(later(fields, "recalled", "recalled-by-sender", "count"));
  else if (event === "DebitProposed" && fields["claim"] instanceof Uint8Array) {
    all.push(answered(entry, entity, id(fields, "claim"), "settled"));
  } else if (event === "ClaimRefused") all.push(answered(entry, entity, id(fields, "claim"), "rejected", "offer-full"));
  else if (event === "PlugConnected" && fields["asked"] instanceof Uint8Array) {
    all.push(answered(entry, plug(), id(fields, "asked"), "settled"));
  } else if (event === "PlugUnanswered") {
    const declined = fields["declined"] === true;
    const [status, because]: [Status, Reason] = declined ? ["rejected", "refused-by-recipient"] : ["expired", "deadline-passed"];
    all.push(answered(entry, plug(), id(fields, "asked"), status, because));
  }
  return all;
}
