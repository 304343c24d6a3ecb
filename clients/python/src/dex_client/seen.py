"""Which deliveries were answered already, and which are in hand: applied once though they come often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

SEEN_MAX = 65_536
"""Answered ids that are remembered; an older one would be handed out again, and its receipt counts as late."""

Turn = Literal["hand-out", "in-hand", "answered"]


class Seen:
    """The ids of one inbox."""

    def __init__(self, most: int = SEEN_MAX) -> None:
        self._most = most
        # Dictionaries keep their members in the order in which they came.
        self._in_hand: dict[str, None] = {}
        self._answered: dict[str, None] = {}
        self._receipts: dict[str, tuple[dict[str, Any], str]] = {}

    def came(self, id: str) -> Turn:
        """A delivery came."""
        if id in self._answered:
            return "answered"
        if id in self._in_hand:
            return "in-hand"
        self._room(self._in_hand)
        self._in_hand[id] = None
        return "hand-out"

    def receipt(self, receipt: dict[str, Any], fresh: Callable[[], str]) -> str:
        """The id under which this receipt leaves: the same as before when it is the same receipt."""
        known = self._receipts.get(receipt["delivery"])
        if known is not None and known[0] == receipt:
            return known[1]
        self._room(self._receipts)
        id = fresh()
        self._receipts[receipt["delivery"]] = (receipt, id)
        return id

    def answered(self, id: str) -> None:
        """It was answered, and the exchange knows."""
        self._in_hand.pop(id, None)
        self._receipts.pop(id, None)
        self._room(self._answered)
        self._answered[id] = None

    def refused(self, id: str) -> None:
        """Its receipt was refused for now: the next one is a message of its own."""
        self._receipts.pop(id, None)

    def given_up(self, id: str) -> None:
        """Whoever held it gave up: it is handed out when it comes again."""
        self._in_hand.pop(id, None)

    def _room(self, of: dict[str, Any]) -> None:
        if len(of) >= self._most:
            del of[next(iter(of))]
