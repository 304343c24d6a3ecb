"""Which deliveries were answered already, and which are in hand: applied once though they come often."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

SEEN_MAX = 65_536
"""Answered ids that are remembered; an older one would be handed out again, and its receipt counts as late."""


@dataclass(eq=False)
class Hold:
    """A delivery in somebody's hands. Only an answer holds it back for good: a hold that has ended is given to another."""

    id: str
    until: float
    """By the inbox's clock; without end while an answer is under way."""


class Seen:
    """The ids of one inbox."""

    def __init__(self, seconds: float = 60.0, most: int = SEEN_MAX, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        """How long a delivery is held: as long as the broker waits for its acknowledgement."""
        self._most, self._clock = most, clock
        # Dictionaries keep their members in the order in which they came.
        self._in_hand: dict[str, Hold] = {}
        self._answered: dict[str, None] = {}
        self._receipts: dict[str, tuple[dict[str, Any], str]] = {}

    def came(self, id: str) -> Hold | float | Literal["answered"]:
        """A delivery came: a hold to hand it out with, or seconds until whoever has it is to be done (may be without end)."""
        if id in self._answered:
            return "answered"
        now = self._clock()
        known = self._in_hand.get(id)
        if known is not None and known.until > now:
            return known.until - now
        if known is None and len(self._in_hand) >= self._most and not self._dropped_ended(now):
            return self.seconds  # no room to remember it by: the broker brings it later
        hold = Hold(id, now + self.seconds)
        self._take(hold)
        return hold

    def renew(self, hold: Hold) -> None:
        """Its holder still works on it."""
        self._hold(hold, max(hold.until, self._clock() + self.seconds))

    def answering(self, hold: Hold) -> None:
        """An answer is under way: it is held until :meth:`answered` or :meth:`given_up`."""
        self._hold(hold, math.inf)

    def left(self, hold: Hold) -> float:
        """Seconds until this hold ends."""
        return hold.until - self._clock()

    def receipt(self, receipt: dict[str, Any], fresh: Callable[[], str]) -> str:
        """The id under which this receipt leaves: the same as before when it is the same receipt."""
        known = self._receipts.get(receipt["delivery"])
        if known is not None and known[0] == receipt:
            return known[1]
        _room(self._receipts, self._most)
        id = fresh()
        self._receipts[receipt["delivery"]] = (receipt, id)
        return id

    def answered(self, id: str) -> None:
        """It was answered, and the exchange knows."""
        self._in_hand.pop(id, None)
        self._receipts.pop(id, None)
        _room(self._answered, self._most)
        self._answered[id] = None

    def is_answered(self, id: str) -> bool:
        """Whether it was answered."""
        return id in self._answered

    def refused(self, id: str) -> None:
        """Its receipt was refused for now: the next one is a message of its own."""
        self._receipts.pop(id, None)

    def given_up(self, hold: Hold) -> None:
        """Whoever held it gave up: it is handed out when it comes again. Who held it before does not count."""
        hold.until = self._clock()
        if self._in_hand.get(hold.id) is hold:
            del self._in_hand[hold.id]

    def _hold(self, hold: Hold, until: float) -> None:
        hold.until = until
        # It may have been given to another meanwhile, who goes before.
        if hold.id not in self._answered and self._in_hand.get(hold.id, hold) is hold:
            self._take(hold)

    def _take(self, hold: Hold) -> None:
        """At the end: so the oldest come first."""
        self._in_hand.pop(hold.id, None)
        self._in_hand[hold.id] = hold

    def _dropped_ended(self, now: float) -> bool:
        """Forgets holds that have ended; whether there is room now."""
        for id in [id for id, hold in self._in_hand.items() if hold.until <= now]:
            del self._in_hand[id]
        return len(self._in_hand) < self._most


def _room(of: dict[str, Any], most: int) -> None:
    if len(of) >= most:
        del of[next(iter(of))]
