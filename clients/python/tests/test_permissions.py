"""Under the broker's permissions that docs/operations.md gives to a HAT, which get it its own and nobody else's."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

import nats.errors

from dex_client import BrokerError, Delivery, SigningKey, connect, store_key

from .harness import broker, exchange, steps

BOB = """{ user: bob, password: secret, permissions: {
  publish: [
    "dex.v1.in.hat.bob_hubat_net.>", "dex.v1.in.lane.*.receipt", "dex.v1.api.health",
    "$JS.API.CONSUMER.CREATE.DEX_OUT.hat-bob_hubat_net.dex.v1.out.hat.bob_hubat_net.>",
    "$JS.API.CONSUMER.INFO.DEX_OUT.hat-bob_hubat_net", "$JS.API.CONSUMER.MSG.NEXT.DEX_OUT.hat-bob_hubat_net",
    "$JS.ACK.DEX_OUT.hat-bob_hubat_net.>", "$O.DEX_LARGE_IN.C.hat.bob_hubat_net.>",
    "$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT.$O.DEX_LARGE_OUT.C.hat.bob_hubat_net.>",
  ],
  subscribe: ["_INBOX.bob.>"],
} }"""


class Permissions(unittest.IsolatedAsyncioTestCase):
    async def test_a_hat_receives_with_its_own_permissions_and_gets_no_further(self) -> None:
        own = SigningKey.generate()
        with tempfile.TemporaryDirectory() as name:
            seed = Path(name) / "dex.seed"
            store_key(seed, own)
            users = f"{{ nkey: {own.public_key} }}, {{ user: all, password: secret }}, {BOB}"
            async with broker(f"authorization {{ users: [ {users} ] }}") as url:
                config = f'[nats]\nurl = "{url}"\nnkey_seed_file = "{seed}"'
                async with exchange(config) as running:
                    running.options.update(user="all", password="secret")
                    _, fitbit, _ = await running.cast()
                    mine: dict[str, Any] = {"user": "bob", "password": "secret", "inbox_prefix": "_INBOX.bob"}
                    bob = await running.client("hat:bob.hubat.net", **mine)
                    sent = await fitbit.credit("bob.hubat.net", steps(1))
                    async with bob.inbox() as inbox:
                        async for item in inbox:
                            if isinstance(item, Delivery):
                                self.assertEqual(item.id, sent.delivery)
                                self.assertEqual((await item.accept()).status, "settled")
                                break
                    # Large content: its own uploads, and what is delivered to it.
                    self.assertEqual((await bob.upload(json.dumps(steps(1)).encode())).chunks, 1)
                    large = await fitbit.credit_large("bob.hubat.net", b"\n".join([json.dumps(steps(n)[0]).encode() for n in range(9)]))
                    async with bob.inbox() as inbox:
                        async for item in inbox:
                            if isinstance(item, Delivery):
                                self.assertEqual((item.id, len((await item.download()).splitlines())), (large.delivery, 9))
                                self.assertEqual((await item.accept()).status, "settled")
                                break
                    # Another's inbox, and a query about parties: the broker says nothing.
                    other = await connect(url, "plug:fitbit", call_seconds=1.0, origin="dex.test", dex_key=own.public_key, **mine)
                    async with other:
                        with self.assertRaises(BrokerError):
                            await other.inbox().__aenter__()
                        with self.assertRaises(nats.errors.Error):
                            await other.wire.nats.request("dex.v1.api.hat.list", b"{}", timeout=1)


if __name__ == "__main__":
    unittest.main()
