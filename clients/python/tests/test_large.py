"""Large content without an exchange: counting piece by piece, cutting, uploading by a broker that stumbles."""

from __future__ import annotations

import asyncio
import io
import json
import unittest
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from dex_client import ArgumentError, BrokerError, DexError, LargeObject, digest_of
from dex_client.large import CHUNK_BYTES, download
from dex_client.records import Tally, count_records
from dex_client.upload import chunks_of, upload

TEXT = '{"endpoint": "a/b", "data": {"n": "\\\\\\"]}{[ \\\\", "m": [{}, "é"]}}'


class Broker:
    """Keeps chunks as the stream does; ``answers`` are what it says first, in place of its own."""

    def __init__(self, *answers: Any) -> None:
        self.chunks: dict[str, bytes] = {}
        self.answers = list(answers)
        self.asked = self.under_way = self.most = 0

    async def request(self, subject: str, payload: bytes, timeout: float, headers: Mapping[str, str] | None = None) -> Msg:
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.001)
        self.under_way -= 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if subject.startswith("$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT."):
            chunk = self.chunks.get(subject.removeprefix("$JS.API.DIRECT.GET.OBJ_DEX_LARGE_OUT."))
            return Msg(cast(Any, None), data=chunk or b"", headers={"Status": "404"} if chunk is None else None)
        assert headers == {"Nats-Expected-Last-Subject-Sequence": "0"}
        if subject in self.chunks:
            answer = {"error": {"err_code": 10071, "description": "wrong last sequence: 1"}}
        elif answer is None:
            self.chunks[subject] = payload
        return Msg(cast(Any, None), data=json.dumps(answer or {"seq": 1}).encode())

    async def upload(self, source: Any) -> LargeObject:
        return await upload(cast(Nats, self), "hat:bob.hubat.net", source)


def refusal(code: int) -> dict[str, Any]:
    return {"error": {"err_code": code, "description": "no"}}


class Records(unittest.TestCase):
    def test_they_are_counted_wherever_the_content_is_cut(self) -> None:
        for text, count in ((TEXT, 1), (f"[{TEXT},\n{TEXT}]", 2), (f"{TEXT}\n{TEXT} {TEXT}\n", 3), ("[]", 0), ("", 0)):
            body = text.encode()
            self.assertEqual(count_records(body), count)
            for size in range(1, len(body) + 1):
                tally = Tally()
                for at in range(0, len(body), size):
                    tally.push(body[at : at + size])
                self.assertEqual((tally.size, tally.count, tally.digest), (len(body), count, digest_of(body)), (text, size))
                self.assertEqual(tally.whole, count > 0)

    def test_what_ends_in_the_midst_is_not_whole(self) -> None:
        for text in (TEXT[:-1], TEXT[:40], f"[{TEXT}", f"{TEXT}]", TEXT[: TEXT.index("\\") + 1]):
            tally = Tally()
            tally.push(text.encode())
            self.assertFalse(tally.whole, text)


class Uploads(unittest.IsolatedAsyncioTestCase):
    body = ("[" + ",".join([TEXT] * 20_000) + "]").encode()

    async def cut(self, source: Any) -> list[bytes]:
        return [chunk async for chunk in chunks_of(source)]

    async def test_every_source_is_cut_alike(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(self.body), 777):
                yield self.body[at : at + 777]

        cuts = [await self.cut(source) for source in (self.body, io.BytesIO(self.body), pieces())]
        self.assertEqual(b"".join(cuts[0]), self.body)
        self.assertTrue(len(cuts[0]) > 5 and all(len(chunk) == CHUNK_BYTES for chunk in cuts[0][:-1]))
        self.assertTrue(cuts[0] == cuts[1] == cuts[2])
        with self.assertRaisesRegex(ArgumentError, "binary"):
            await self.cut(io.StringIO("[]"))

    async def test_a_few_chunks_are_under_way_and_no_more_is_read(self) -> None:
        broker, read = Broker(), 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal read
            for at in range(0, len(self.body), CHUNK_BYTES):
                read += 1
                self.assertLessEqual(read - len(broker.chunks), 9)
                yield self.body[at : at + CHUNK_BYTES]

        made = await broker.upload(pieces())
        self.assertLessEqual(broker.most, 8)
        self.assertEqual((made.size, made.digest, made.count, made.chunks), (len(self.body), digest_of(self.body), 20_000, read))
        subjects = [f"$O.DEX_LARGE_IN.C.hat.bob_hubat_net.{made.id}.{n}" for n in range(made.chunks)]
        self.assertEqual(b"".join(broker.chunks[subject] for subject in subjects), self.body)
        self.assertEqual(made.id[14], "4", "a random UUID")

    async def test_a_chunk_is_repeated_until_the_broker_confirms_it(self) -> None:
        # No answer, nobody there, the bucket full, and one that was stored though its acknowledgement was lost.
        broker = Broker(nats.errors.TimeoutError(), nats.errors.NoRespondersError(), refusal(10077), refusal(10071))
        made = await broker.upload(TEXT.encode())
        self.assertEqual((broker.asked, made.chunks), (4, 1))
        with self.assertRaisesRegex(BrokerError, "refuses it: no"):
            await Broker(refusal(10054)).upload(self.body)

    async def test_what_is_no_content_is_refused(self) -> None:
        for bad in (b"", b"[]", b"1", TEXT.encode()[:-1]):
            with self.assertRaises(ArgumentError):
                await Broker().upload(bad)

    async def test_what_is_downloaded_is_what_was_promised(self) -> None:
        broker = Broker()
        made = await broker.upload(self.body)
        broker.chunks = {subject.replace("_IN", "_OUT"): chunk for subject, chunk in broker.chunks.items()}
        broker.answers = [nats.errors.TimeoutError()]
        came = bytearray()

        async def each(piece: bytes) -> None:
            came.extend(piece)

        async def get(of: LargeObject) -> None:
            came.clear()
            await download(cast(Nats, broker), "hat:bob.hubat.net", of, each)

        broker.most = 0
        await get(made)
        self.assertEqual(bytes(came), self.body)
        self.assertLessEqual(broker.most, 4)
        for size, digest, count in ((made.size - 1, made.digest, made.count), (made.size, "0" * 64, made.count), (made.size, made.digest, 1)):
            with self.assertRaisesRegex(DexError, "differ"):
                await get(LargeObject(made.id, size, digest, count, made.chunks))
            self.assertLessEqual(len(came), size)
        with self.assertRaisesRegex(DexError, "is not there"):
            await get(LargeObject(made.id, made.size, made.digest, made.count, made.chunks + 1))


if __name__ == "__main__":
    unittest.main()
