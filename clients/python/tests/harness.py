"""A real exchange for one test: ``dex serve`` with a nats-server of its own, on ports of the system's choice."""

from __future__ import annotations

import asyncio
import json
import os
import re
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

# The broker reserves what streams and buckets may take: little, so that a full disk is no hindrance.
SMALL = """[streams]
in_max_bytes = 67108864
out_max_bytes = 67108864
[limits]
large_content_bytes = 8388608
[large]
store_bytes = 33554432"""


def steps(n: int) -> list[dict[str, Any]]:
    return [{"endpoint": "fitbit/steps", "data": {"steps": n}}]


@dataclass
class Exchange:
    """A running exchange with the operator ``operator:main``."""

    folder: Path
    url: str
    daemon: asyncio.subprocess.Process
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    options: dict[str, Any] = field(default_factory=dict)
    """How its clients connect."""

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
        options = {**self.options, **options}
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
        said.append(line.decode())
        if not line.startswith(b"{"):
            continue  # what it says when it cannot start is plain text
        fields = json.loads(line)["fields"]
        if fields["message"] == "ready":
            return str(fields["nats"])
    raise AssertionError("the daemon ended: " + "".join(said))


async def _drain(daemon: asyncio.subprocess.Process) -> None:
    assert daemon.stderr is not None
    while await daemon.stderr.readline():
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), 30)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def broker(authorization: str) -> AsyncIterator[str]:
    """A nats-server with this text in its configuration; its address."""
    with tempfile.TemporaryDirectory(prefix="dex-client-") as name:
        folder = Path(name)
        config = folder / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\njetstream {{ store_dir: "{folder}" }}\n{authorization}\n'
        )
        binary = os.environ.get("DEX_NATS_SERVER") or str(ROOT / ".tools/nats-server")
        log = folder / "nats.log"
        server = await asyncio.create_subprocess_exec(binary, "-c", str(config), "-l", str(log))
        try:
            for _ in range(200):
                texts = [file.read_text() for file in folder.glob(f"*_{server.pid}.ports")]
                url = re.search(r'"(nats://[^"]+)"', "".join(texts))  # it may be half written
                if url:
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError(f"the broker did not start: {log.read_text()}")
            yield url[1]
        finally:
            await _end(server)


@asynccontextmanager
async def exchange(nats: str = "[nats.embedded]\nport = 0") -> AsyncIterator[Exchange]:
    """Starts one, and ends it; ``nats`` is the TOML of its broker."""
    with tempfile.TemporaryDirectory(prefix="dex-client-") as name:
        folder = Path(name)
        operator = SigningKey.generate()
        store_key(folder / "main.key", operator)
        (folder / "dex.toml").write_text(
            f'[exchange]\norigin = "dex.test"\nstate_dir = {json.dumps(str(folder / "state"))}\n'
            f'[[operator]]\nname = "main"\nkeys = ["{operator.public_key}"]\n'
            f'{nats}\n{SMALL}\n[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n'
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
            await _end(daemon)
            if drained is not None:
                await drained
