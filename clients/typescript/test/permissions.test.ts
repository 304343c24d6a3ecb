/** Under the broker's permissions that docs/operations.md gives to a HAT, which get it its own and nobody else's. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { concat, utf8 } from "../src/bytes.js";
import { SigningKey, connect, storeKey } from "../src/node.js";
import { Exchange, broker } from "./harness.js";

const BOB = `{ user: bob, password: secret, permissions: {
  publish: [
    "dex.v1.in.hat.bob_hubat_net.>", "dex.v1.in.lane.*.receipt", "dex.v1.api.health",
    "$JS.API.CONSUMER.CREATE.DEX_OUT.hat-bob_hubat_net.dex.v1.out.hat.bob_hubat_net.>",
    "$JS.API.CONSUMER.INFO.DEX_OUT.hat-bob_hubat_net", "$JS.API.CONSUMER.MSG.NEXT.DEX_OUT.hat-bob_hubat_net",
    "$JS.ACK.DEX_OUT.hat-bob_hubat_net.>", "$O.DEX_LARGE_IN.C.hat.bob_hubat_net.>",
    "$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT.$O.DEX_LARGE_OUT.C.hat.bob_hubat_net.>",
  ],
  subscribe: ["_INBOX.bob.>"],
} }`;

test("a HAT receives with its own permissions and gets no further", async () => {
  const folder = await mkdtemp(join(tmpdir(), "dex-client-"));
  const own = SigningKey.generate();
  await storeKey(join(folder, "dex.seed"), own);
  const server = await broker(`authorization { users: [ { nkey: ${own.publicKey} }, { user: all, password: secret }, ${BOB} ] }`);
  let exchange: Exchange | undefined;
  try {
    const nats = `[nats]\nurl = "${server.url}"\nnkey_seed_file = "${join(folder, "dex.seed")}"`;
    exchange = await Exchange.start("", nats, { nats: { user: "all", pass: "secret" } });
    const { fitbit } = await exchange.cast();
    const mine = { url: server.url, nats: { user: "bob", pass: "secret", inboxPrefix: "_INBOX.bob" } };
    const bob = await connect({ ...mine, party: "hat:bob.hubat.net", key: await exchange.key("bob") });
    try {
      const sent = await fitbit.credit("bob.hubat.net", [{ endpoint: "fitbit/steps", data: { steps: 1 } }]);
      for await (const item of await bob.inbox()) {
        if (item.kind !== "delivery") continue;
        assert.equal(item.id, sent.delivery);
        assert.equal((await item.accept()).status, "settled");
        break;
      }
      // Large content: its own uploads and nobody else's, and what is delivered to it.
      const line = utf8(`${JSON.stringify({ endpoint: "fitbit/steps", data: { steps: 1 } })}\n`);
      assert.equal((await bob.upload(line)).chunks, 1);
      await assert.rejects(bob.speaking("plug:fitbit").upload(line), { name: "BrokerError" });
      const large = await fitbit.creditLarge("bob.hubat.net", concat(line, line));
      for await (const item of await bob.inbox()) {
        if (item.kind !== "delivery") continue;
        assert.deepEqual([item.id, (await item.download()).length], [large.delivery, 2 * line.length]);
        assert.equal((await item.accept()).status, "settled");
        break;
      }
      // Another's inbox, and a query about parties: the broker says no.
      await assert.rejects(bob.speaking("plug:fitbit").inbox(), { name: "BrokerError" });
      await assert.rejects(bob.wire.nats.request("dex.v1.api.hat.list", "{}", { timeout: 1000 }));
    } finally {
      await bob.close();
    }
  } finally {
    await exchange?.stop();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
