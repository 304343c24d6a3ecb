"""What is in hand: kept from others for as long as somebody works on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

_H = TypeVar("_H", bound="Held")


class Held:
    """Kept inside ``async with``; left without an answer it is given up."""

    _at_work: asyncio.Task[None] | None = None

    async def __aenter__(self: _H) -> _H:
        self._at_work = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._at_work is not None:
            self._at_work.cancel()
            self._at_work = None
        await self._left()

    @contextlib.asynccontextmanager
    async def _kept(self) -> AsyncIterator[None]:
        """Keeps it meanwhile, and no longer."""
        at_work = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            at_work.cancel()

    async def _keep(self) -> None:
        """Tells the broker that it is worked on, often enough, until it is cancelled."""
        raise NotImplementedError

    async def _left(self) -> None:
        """The block has ended: gives it up where it was not answered."""
        raise NotImplementedError
