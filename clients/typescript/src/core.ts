/** What is the same everywhere. */

export { KINDS, parseAddress, subjectIn, subjectOut, token } from "./address.js";
export type { Address, Kind } from "./address.js";
export { digestOf } from "./bytes.js";
export { canonical } from "./canonical.js";
export type { Json } from "./canonical.js";
export { CheckpointVerifier } from "./checkpoint.js";
export type { Checkpoint } from "./checkpoint.js";
export { Client } from "./client.js";
export type { Conclusion, Voice } from "./client.js";
export { over } from "./connect.js";
export type { ConnectOptions } from "./connect.js";
export type { Entry, Fields } from "./entry.js";
export { readEntry } from "./entry.js";
export {
  ArgumentError, BrokerError, DexError, FormError, KeyError, NoAnswer, NoOutcome, ProofError, QueryRefused, REASONS, Refused,
  Unverified,
} from "./errors.js";
export type { Fault, Problem, Reason } from "./errors.js";
export { Ids } from "./ids.js";
export { Inbox } from "./inbox.js";
export type { Bad, InboxOptions, Item, Outcomes, Recall, Request, Told } from "./inbox.js";
export { Delivery } from "./delivery.js";
export { referenceTo } from "./large.js";
export type { LargeObject } from "./large.js";
export { pageId, recordId } from "./jobs.js";
export type { JobError, JobPlace, JobWord } from "./jobs.js";
export { SigningKey, publicKeyBytes, publicKeyText, verify } from "./keys.js";
export type { DataClass, DataRecord, DebitTerms, LargeOptions, PullAsk, Receipt, RecordData, SendOptions } from "./orders.js";
export { isFinal, openCheckpoint, provedEntry, verifyOutcome } from "./outcome.js";
export type { Dropped, Outcome, Part, Proof, Proved, Root, Status } from "./outcome.js";
export type { DebitItem, Health, LeafProof, Page, Paged, Queries, Standing, Step } from "./queries.js";
export { Verifier } from "./received.js";
export type { HeaderLists, Received, Trust } from "./received.js";
export { signedTextIn, signedTextOut } from "./signed-text.js";
export type { HeaderValues } from "./signed-text.js";
export { leafHash, nodeHash, rootOf, sharedText, verifyConsistency } from "./tree.js";
export { bundleBytes, holds, openTrustBundle } from "./trust-bundle.js";
export type { BundleParty, TrustBundle } from "./trust-bundle.js";
export type { Source } from "./upload.js";
export type { Wire } from "./wire.js";
export { Job } from "./worker.js";
export type { JobEnd, JobRecord } from "./worker.js";
