/**
 * Client of a dex data exchange, for Node: over TCP (`nats://`, `tls://`) and, from Node 22 on, over WebSocket.
 *
 * @packageDocumentation
 */

import { wsconnect } from "@nats-io/nats-core";
import { connect as tcpconnect } from "@nats-io/transport-node";

import { connectBy } from "./connect.js";
import type { ConnectOptions } from "./connect.js";
import type { Client } from "./client.js";

export * from "./core.js";
export { loadKey, storeKey } from "./keyfile.js";

/**
 * Connects to an exchange. One process uses one kind of connection: nats.js keeps the kind for all.
 * @throws {@link BrokerError} when the broker cannot be reached, {@link NoAnswer} when no exchange answers behind it
 */
export async function connect(options: ConnectOptions): Promise<Client> {
  const [first] = typeof options.url === "string" ? [options.url] : options.url;
  return connectBy(first?.startsWith("ws") === true ? wsconnect : tcpconnect, options);
}
