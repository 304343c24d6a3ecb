"""Waiting for the outcomes that follow a message's first one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from .errors import DexError, NoOutcome
from .inbox import Bad, Inbox, Outcomes
from .outcome import Outcome


class Following:
    """The outcomes that an inbox brings until a time."""

    def __init__(self, inbox: Inbox, within: float, end: float) -> None:
        self._inbox, self._within, self._end = inbox, within, end
        self._bad: DexError | None = None

    async def next(self, open: str) -> Sequence[Outcome]:
        """Some more. Raises :class:`NoOutcome` for ``open`` at the end; its cause is an outcome that could not be read, if any."""
        while True:
            try:
                item = await asyncio.wait_for(self._inbox.__anext__(), max(self._end - time.monotonic(), 0))
            except (asyncio.TimeoutError, StopAsyncIteration):
                raise NoOutcome(open, self._within, True) from self._bad
            if isinstance(item, Outcomes):
                return item.outcomes
            if isinstance(item, Bad):
                self._bad = item.error  # it may be the one that is waited for
