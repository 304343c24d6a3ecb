/**
 * Client of a dex data exchange, for browsers and other places with WebSocket. In Node, the same import also has `loadKey`,
 * `storeKey` and connections over TCP.
 *
 * @packageDocumentation
 */

import { wsconnect } from "@nats-io/nats-core";

import { connectBy } from "./connect.js";
import type { ConnectOptions } from "./connect.js";
import type { Client } from "./client.js";

export * from "./core.js";

/**
 * Connects to an exchange over WebSocket.
 * @throws {@link BrokerError} when the broker cannot be reached, {@link NoAnswer} when no exchange answers behind it
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  return connectBy(wsconnect, options);
}
