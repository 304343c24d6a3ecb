"""What every participant needs: a key, a signature, a message in and its outcome (docs/protocol.md)."""
import asyncio, base64, hashlib, json, os, secrets, time, uuid
import nats
from nacl.signing import SigningKey, VerifyKey

SIGNED_IN = ["Dex-Id", "Dex-From", "Dex-Key", "Dex-Deadline", "Dex-Reply", "Dex-Want", "Dex-Pull"]
SIGNED_OUT = ["Dex-Source", "Dex-Count", "Dex-Receipt-To", "Dex-Authority"]
SIGNED_WHEN_THERE = ["Dex-Digest-In"]  # has a line only when it is there


class Refused(Exception):
    """The exchange said no; `reason` is one of the protocol's."""

    def __init__(self, answer):
        super().__init__(f"{answer['reason']}: {answer.get('detail') or answer.get('title') or answer}")
        self.reason = answer["reason"]


class Party:
    """One party's connection, key and inbox."""

    @classmethod
    async def connect(cls, address, seed_file):
        self = cls()
        self.address, self.kind, self.id = address, *address.split(":", 1)
        seed = open(seed_file).read().split()[0]  # made by `dex keys new`
        raw = base64.b32decode(seed + "======")  # 2 bytes of prefix, 32 of seed, 2 of checksum
        self.key = SigningKey(raw[2:34])
        public = b"\xa0" + bytes(self.key.verify_key)
        self.public = base64.b32encode(public + crc16(public).to_bytes(2, "little")).decode()
        self.nc = await nats.connect(os.environ.get("DEX_URL", "nats://127.0.0.1:4222"))
        self.js = self.nc.jetstream()
        health = await self.query("health")
        self.origin = health["origin"]
        # Take the exchange's key from its operator where you can: over an open connection this proves nothing.
        self.dex_keys = [os.environ["DEX_PUBLIC_KEY"]] if "DEX_PUBLIC_KEY" in os.environ else health["keys"]
        return self

    async def query(self, call, **body):
        return json.loads((await self.nc.request(f"dex.v1.api.{call}", json.dumps(body).encode(), timeout=10)).data)

    async def send(self, to, action, body=None, message_id=None, **headers):
        """Sends one message in and returns its first outcome. `to`: an address; `action`: tokens joined by '/'."""
        tokens = [*to.split(":", 1), *action.split("/")]
        return await self.publish(".".join(["dex.v1.in", *(t.replace(".", "_") for t in tokens)]), body, message_id, **headers)

    async def publish(self, subject, body=None, message_id=None, **headers):
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        inbox = self.nc.new_inbox()
        replies = await self.nc.subscribe(inbox)
        h = {"Dex-Id": message_id or uuid7(), "Dex-From": self.address, "Dex-Key": self.public, "Dex-Reply": inbox, **headers}
        h["Dex-Sig"] = b64(self.key.sign(signed_text("dex-v1", self.origin, subject, h, content)).signature)
        try:
            for _ in range(10):  # the same message, under the same id, until its outcome comes
                await self.js.publish(subject, content, headers=h)
                try:
                    answer = json.loads((await replies.next_msg(timeout=3)).data)
                except nats.errors.TimeoutError:
                    continue
                if answer["status"] == "rejected" or "exchange" not in answer:
                    raise Refused(answer)
                return answer
            raise TimeoutError(f"no outcome of {h['Dex-Id']}")
        finally:
            await replies.unsubscribe()

    async def until(self, *reasons, call):
        """Repeats a call that is refused for a reason which passes: others take part when they are ready."""
        pause = 0.5
        while True:
            try:
                return await call()
            except Refused as refused:
                if refused.reason not in reasons:
                    raise
                await asyncio.sleep(pause)  # each refusal is an entry in the ledger
                pause = min(2 * pause, 4)

    async def approved(self):
        """Waits until the operator has approved this party."""
        while not (await self.query("trust.verify", party=self.address))["approved"]:
            await asyncio.sleep(0.5)

    async def inbox(self):
        """Yields everything for this party as (topic, message), verified, at least once. Acknowledge each."""
        mine = f"dex.v1.out.{self.kind}.{self.id.replace('.', '_')}.>"
        config = nats.js.api.ConsumerConfig(inactive_threshold=3600)
        durable = f"{self.kind}-{self.id.replace('.', '_')}-py"
        consumer = await self.js.pull_subscribe(mine, durable=durable, stream="DEX_OUT", config=config)
        while True:
            try:
                messages = await consumer.fetch(64, timeout=5)
            except (nats.errors.TimeoutError, asyncio.TimeoutError):
                continue
            for message in messages:
                topic = message.subject.split(".")[5]
                if topic != "outcome":  # outcomes are proved by the ledger, not signed
                    self.verify(message)
                yield topic, message

    def verify(self, message):
        h = message.headers
        assert h["Dex-Digest"] == hashlib.sha256(message.data).hexdigest(), "another body than was sent"
        assert h["Dex-Key"] in self.dex_keys and h["Dex-From"] == f"dex:{self.origin}", "not from the exchange"
        text = signed_text("dex-v1-out", self.origin, message.subject, h, message.data, SIGNED_OUT)
        if "Dex-Path" in h:  # the signature is shared with other deliveries
            text = "\n".join(["dex-v1-tree", self.origin, root(text, h["Dex-Path"]).hex()]).encode()
        key = VerifyKey(base64.b32decode(h["Dex-Key"])[1:33])
        key.verify(text, base64.urlsafe_b64decode(h["Dex-Sig"] + "=="))

    async def receipt(self, message, verdict="accepted"):
        """Says what came: digest and count of the body itself."""
        records = json.loads(message.data)
        count = len(records) if isinstance(records, list) else 1
        body = {"delivery": message.headers["Dex-Id"], "digest": hashlib.sha256(message.data).hexdigest(),
                "count": count, "verdict": verdict}
        try:
            return await self.publish(message.headers["Dex-Receipt-To"], body)
        except Refused as refused:
            if refused.reason != "wrong-state":  # a receipt of before has ended the exchange
                raise
            return {"status": "receipted before"}


def signed_text(version, origin, subject, headers, body, more=()):
    lines = [version, origin, subject, *(headers.get(name, "") for name in SIGNED_IN), hashlib.sha256(body).hexdigest()]
    lines += [headers.get(name, "") for name in more]
    return "\n".join(lines + [headers[name] for name in SIGNED_WHEN_THERE if more and name in headers]).encode()


def root(leaf, path):
    """The root of the Merkle tree that this path leads to from this leaf (RFC 9162, 2.1.3.2)."""
    index, size, hashes = path.split(".")
    f, s, hashes, at = int(index), int(size) - 1, base64.urlsafe_b64decode(hashes + "=="), sha256(b"\0", leaf)
    for n in range(0, len(hashes), 32):
        assert s > 0, "the path is too long"
        if f & 1 or f == s:
            at = sha256(b"\1", hashes[n:n + 32], at)
            while f and not f & 1:
                f, s = f >> 1, s >> 1
        else:
            at = sha256(b"\1", at, hashes[n:n + 32])
        f, s = f >> 1, s >> 1
    assert s == 0, "the path is too short"
    return at


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def uuid7():
    b = bytearray(int(time.time() * 1000).to_bytes(6, "big") + secrets.token_bytes(10))
    b[6], b[8] = b[6] & 0x0F | 0x70, b[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(b)))


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def crc16(data):
    """CRC-16/XMODEM, the checksum of nkeys."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
