/** In a browser: Debian's Chromium, over the WebSocket listener of the exchange's embedded broker. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { build } from "esbuild";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

import { Exchange, PACKAGE } from "./harness.js";

/** What the page does; its only ways to the exchange are this package and the page's own WebSocket. */
const PAGE = `
import { SigningKey, connect, verifyOutcome } from "dex-client";
globalThis.start = async ({ url, fitbit, bob, dexKey }) => {
  const plug = await connect({ url, party: "plug:fitbit", key: SigningKey.fromText(fitbit), dexKey, origin: "dex.test", nats: { maxReconnectAttempts: 0, timeout: 5000 } });
  const sent = await plug.credit("bob.hubat.net", [{ endpoint: "fitbit/steps", data: { steps: 9120 } }], { wantProof: true });
  const proved = verifyOutcome(sent, { origin: "dex.test", keys: [dexKey] });
  const hat = plug.speaking("hat:bob.hubat.net", SigningKey.fromText(bob));
  let taken;
  for await (const delivery of hat.deliveries()) {
    taken = { id: delivery.id, records: delivery.records, receipt: (await delivery.accept()).status };
    break;
  }
  const refusal = await plug.credit("nobody.hubat.net", [{ endpoint: "fitbit/steps", data: 1 }]).catch((error) => error.reason);
  const trace = await plug.query("exchange.trace", { id: sent.exchange });
  await plug.close();
  return { status: sent.status, delivery: sent.delivery, event: proved.entry.event, taken, refusal, traced: trace.status };
};
`;

let exchange: Exchange;
let browser: Browser;
let pages: Server;
let stranger: Server;

/** A web server that shows one empty page with the script. */
async function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const [type, body] = request.url === "/page.js" ? ["text/javascript", script] : ["text/html", "<script type=module src=page.js></script>"];
    response.writeHead(200, { "Content-Type": type }).end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

const origin = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

before(async () => {
  const bundle = await build({
    stdin: { contents: PAGE, resolveDir: PACKAGE }, bundle: true, format: "esm", platform: "browser", write: false, logLevel: "error",
    nodePaths: [join(PACKAGE, "node_modules")],
  });
  const script = bundle.outputFiles[0]?.text ?? "";
  assert.ok(!/node:(fs|net|tls|dns)/.test(script), "nothing of Node is in the bundle");
  [pages, stranger] = await Promise.all([serve(script), serve(script)]);
  exchange = await Exchange.start(`[nats.embedded.websocket]\nenabled = true\nlisten = "127.0.0.1:0"\norigins = ["${origin(pages)}"]`);
  await exchange.cast();
  browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  await exchange?.stop();
  for (const server of [pages, stranger]) {
    server?.closeAllConnections();
    server?.close();
  }
});

/** What the page at this origin is told. */
async function run(from: Server): Promise<Record<string, unknown>> {
  const page = await browser.newPage();
  try {
    await page.goto(origin(from));
    await page.waitForFunction("globalThis.start !== undefined");
    const [fitbit, bob] = [(await exchange.key("fitbit")).seedText(), (await exchange.key("bob")).seedText()];
    const dexKey = (await (await exchange.client("hat:bob.hubat.net")).query("health", {})).key;
    return await page.evaluate(`start(${JSON.stringify({ url: exchange.websocket, fitbit, bob, dexKey })})`);
  } finally {
    await page.close();
  }
}

test("a page sends, receives, accepts, asks and verifies over WebSocket", async () => {
  assert.match(exchange.websocket ?? "", /^ws:\/\/127\.0\.0\.1:\d+$/);
  const told = await run(pages);
  assert.deepEqual([told["status"], told["event"], told["refusal"], told["traced"]], ["accepted", "Opened", "unknown-party", "settled"]);
  assert.deepEqual(told["taken"], { id: told["delivery"], records: [{ endpoint: "fitbit/steps", data: { steps: 9120 } }], receipt: "settled" });
});

test("a page of another origin is not let in", async () => {
  await assert.rejects(run(stranger), /cannot connect/);
});
