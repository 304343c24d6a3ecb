/** The bodies of what is sent (docs/protocol.md §5). */

/** Any JSON, as records hold it. */
export type RecordData = unknown;

/** One record. */
export interface DataRecord {
  /** `namespace/path`. */
  readonly endpoint: string;
  readonly data: RecordData;
  readonly recordId?: string;
  /** RFC 3339. */
  readonly sourceTimestamp?: string;
  readonly sourceUniqueId?: string;
  readonly links?: unknown;
}

/** Classes of personal data. */
export type DataClass = "none" | "quasi" | "direct" | "special";

/** The terms of a data debit (docs/protocol.md §5.3). */
export interface DebitTerms {
  /** Who receives: the address of an org, an app or a HAT. */
  readonly client: string;
  readonly purpose: string;
  /** Which records, in which shape (docs/bundles.md). */
  readonly bundle: object;
  readonly periodSeconds: number;
  /** RFC 3339; at enabling if absent. */
  readonly start?: string;
  readonly cancelAtPeriodEnd?: boolean;
  readonly termsUrl?: string;
  readonly classes?: readonly DataClass[];
  readonly conditions?: object;
  readonly requestClientName?: string;
  readonly requestApplicationId?: string;
  readonly requestClientUrl?: string;
  readonly requestClientLogoUrl?: string;
  readonly requestDescription?: string;
}

/** What a pull asks for. */
export interface PullAsk {
  /** Only records that are newer, RFC 3339. */
  readonly since?: string;
  readonly skip?: number;
  readonly limit?: number;
}

/** What a recipient says of a delivery. */
export interface Receipt {
  /** The delivery's `Dex-Id`. */
  readonly delivery: string;
  /** SHA-256 of the body that the recipient has, hex. */
  readonly digest: string;
  /** Records in it. */
  readonly count: number;
  readonly verdict: "accepted" | "refused" | "returned";
  /** For people; 1–256 bytes, kept in the ledger. */
  readonly reason?: string;
}

/** How one message is sent. */
export interface SendOptions {
  /** Its `Dex-Id`, a UUIDv7: to repeat a message, or to know its id beforehand. A fresh one if absent. */
  readonly id?: string;
  /** Settled by then, else expired: 1 s to 7 days ahead; 1 h if absent. */
  readonly deadline?: Date;
  /** The ledger proof shall come with the outcome: see `verifyOutcome`. */
  readonly wantProof?: boolean;
  /** On a release: the `Dex-Pull` of the request that it answers. */
  readonly pull?: string;
  /** On a credit: the job that it belongs to (`Dex-Job`). */
  readonly job?: string;
  /** How long to wait for the first outcome, milliseconds; the client's own if absent. */
  readonly waitMs?: number;
}

/** How one message with large content is sent. */
export interface LargeOptions extends SendOptions {
  /** How long to wait, after the upload, until the exchange has fetched it, milliseconds; 60,000 if absent. */
  readonly withinMs?: number;
}
