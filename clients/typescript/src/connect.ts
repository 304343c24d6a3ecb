/** Connecting: to the broker, and to the exchange behind it. */

import type { ConnectionOptions, NatsConnection } from "@nats-io/nats-core";

import { Client } from "./client.js";
import { BrokerError, FormError } from "./errors.js";
import type { SigningKey } from "./keys.js";
import type { Health } from "./queries.js";
import { Wire } from "./wire.js";

/** How to reach an exchange, and as whom. */
export interface ConnectOptions {
  /**
   * Where the broker is: `ws://host:9222` or `wss://…`; in Node also `nats://host:4222` or `tls://…`. Several may be given.
   */
  readonly url: string | readonly string[];
  /** Who speaks, such as `plug:fitbit`. */
  readonly party: string;
  /** Its key. Without one the client can receive and ask, and send nothing. */
  readonly key?: SigningKey;
  /**
   * The exchange's key or keys (`U…`), from its operator. If absent they are asked of the exchange at connect and kept: over
   * an open connection that proves nothing.
   */
  readonly dexKey?: string | readonly string[];
  /** The exchange's origin. If absent it is asked of the exchange at connect. */
  readonly origin?: string;
  /** How long a call waits for its first outcome or answer, milliseconds; 15,000 if absent. */
  readonly callMs?: number;
  /** Further options of nats.js: `authenticator`, `inboxPrefix` (below `_INBOX`), `tls` … */
  readonly nats?: ConnectionOptions;
}

/** Opens a connection to a broker. */
export type Connector = (options: ConnectionOptions) => Promise<NatsConnection>;

/**
 * A client over a connection that is there already.
 * @throws {@link NoAnswer} when the exchange must be asked who it is and does not answer
 */
export async function over(nats: NatsConnection, options: Omit<ConnectOptions, "url">): Promise<Client> {
  const wire = new Wire(nats, options.nats?.inboxPrefix ?? "_INBOX", options.callMs ?? 15_000);
  const given = options.dexKey === undefined ? [] : typeof options.dexKey === "string" ? [options.dexKey] : options.dexKey;
  let { origin } = options;
  let keys: readonly string[] | "broker" = given;
  if (origin === undefined || given.length === 0) {
    const health = (await wire.query("health", {})) as Health;
    origin ??= health.origin;
    if (origin !== health.origin) throw new FormError(`the exchange is ${health.origin}, not ${origin}`);
    // Who names a key wants signatures, whatever the exchange says of itself.
    if (given.length === 0) keys = health.signatures === "trusted-broker" ? "broker" : health.keys;
    if (keys.length === 0) throw new FormError("health names no keys");
  }
  return new Client(wire, { party: options.party, key: options.key, trust: { origin, keys } });
}

/** Connects by `open`. */
export async function connectBy(open: Connector, options: ConnectOptions): Promise<Client> {
  const servers = typeof options.url === "string" ? options.url : [...options.url];
  let nats: NatsConnection;
  try {
    // Without end: what was not answered is repeated, and what came meanwhile waits in the stream.
    nats = await open({ name: `dex-client ${options.party}`, maxReconnectAttempts: -1, ...options.nats, servers });
  } catch (error) {
    throw new BrokerError(`cannot connect to ${String(options.url)}: ${(error as Error).message}`);
  }
  try {
    return await over(nats, options);
  } catch (error) {
    await nats.close();
    throw error;
  }
}
