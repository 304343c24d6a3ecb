"""A real exchange for one test: ``dex serve`` with a nats-server of its own, on ports of the system's choice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dex_client import Client, SigningKey, connect, load_key, store_key

ROOT = Path(__file__).resolve().parents[3]
DEX = os.environ.get("DEX_BINARY", str(ROOT / "target/debug/dex"))
STEPS: dict[str, Any] = {
    "client": "org:acme", "purpose": "A study of walking", "periodSeconds": 86_400,
    "bundle": {"name": "steps", "bundle": {"steps": {"endpoints": [{"endpoint": "fitbit/steps"}]}}},
}


def steps(n: int) -> list[dict[str, Any]]:
    return [{"endpoint": "fitbit/steps", "data": {"steps": n}}]


@dataclass
class Exchange:
    """A running exchange with the operator ``operator:main``."""

    folder: Path
    url: str
    daemon: asyncio.subprocess.Process
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def path(self, name: str) -> Path:
        return self.folder / name

    async def dex(self, *arguments: str) -> str:
        """Runs a verb of the program against this exchange; what it prints."""
        env = {**os.environ, "DEX_URL": self.url}
        run = await asyncio.create_subprocess_exec(DEX, *arguments, env=env, stdout=asyncio.subprocess.PIPE)
        out, _ = await run.communicate()
        assert run.returncode == 0, f"dex {arguments} ended with {run.returncode}"
        return out.decode()

    async def key(self, name: str) -> SigningKey:
        """The key in ``<name>.key``, made by ``dex keys new`` when there is none."""
        path = self.path(f"{name}.key")
        if not path.exists():
            await self.dex("keys", "new", str(path))
        return load_key(path)

    async def client(self, party: str, name: str | None = None, **options: Any) -> Client:
        """A client for ``party``, with its key; closed with the exchange."""
        key = await self.key(name or party.split(":")[1].split(".")[0])
        return await self.stack.enter_async_context(await connect(self.url, party, key, **options))

    async def cast(self) -> tuple[Client, Client, Client]:
        """Registers and approves: a platform, Bob's HAT with Fitbit connected, Acme."""
        operator = await self.client("operator:main")
        platform = operator.speaking("platform:hubat.net", await self.key("platform"))
        bob, fitbit, acme = [await self.client(party) for party in ("hat:bob.hubat.net", "plug:fitbit", "org:acme")]
        public = {name: (await self.key(name)).public_key for name in ("platform", "bob", "fitbit", "acme")}
        await operator.send("platform:hubat.net", "certify", body={"key": public["platform"], "name": "Platform"})
        await platform.send("hat:bob.hubat.net", "register", body={"key": public["bob"]})
        await fitbit.register(name="Fitbit", namespace="fitbit")
        await acme.register(name="Acme")
        await operator.send("plug:fitbit", "approve", body={"key": public["fitbit"]})
        await operator.send("org:acme", "approve", body={"key": public["acme"]})
        await bob.connect_plug("fitbit")
        return bob, fitbit, acme


async def _ready(daemon: asyncio.subprocess.Process) -> str:
    assert daemon.stderr is not None
    said = []
    while line := await daemon.stderr.readline():
        fields = json.loads(line)["fields"]
        if fields["message"] == "ready":
            return str(fields["nats"])
        said.append(line.decode())
    raise AssertionError("the daemon ended: " + "".join(said))


async def _drain(daemon: asyncio.subprocess.Process) -> None:
    assert daemon.stderr is not None
    while await daemon.stderr.readline():
        pass


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Starts one, and ends it."""
    with tempfile.TemporaryDirectory(prefix="dex-client-") as name:
        folder = Path(name)
        operator = SigningKey.generate()
        store_key(folder / "main.key", operator)
        (folder / "dex.toml").write_text(
            f'[exchange]\norigin = "dex.test"\nstate_dir = {json.dumps(str(folder / "state"))}\n'
            f'[[operator]]\nname = "main"\nkeys = ["{operator.public_key}"]\n'
            '[nats.embedded]\nport = 0\n[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n'
        )
        daemon = await asyncio.create_subprocess_exec(
            DEX, "serve", "--config", str(folder / "dex.toml"), cwd=ROOT, stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        drained: asyncio.Task[None] | None = None
        try:
            url = await asyncio.wait_for(_ready(daemon), 60)
            drained = asyncio.create_task(_drain(daemon))
            running = Exchange(folder, url, daemon)
            async with running.stack:
                yield running
        finally:
            if daemon.returncode is None:
                daemon.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(daemon.wait(), 30)
                except asyncio.TimeoutError:
                    daemon.kill()
                    await daemon.wait()
            if drained is not None:
                await drained
