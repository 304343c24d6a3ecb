"""What holds a delivery back: an answer for good, a holder for a time."""

from __future__ import annotations

import unittest
from typing import Any

from dex_client.seen import Hold, Seen


class SeenTests(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.seen = Seen(seconds=60, most=2, clock=lambda: self.now)

    def hold(self, id: str) -> Hold:
        turn = self.seen.came(id)
        assert isinstance(turn, Hold), turn
        return turn

    def test_one_that_was_left_unanswered_is_handed_out_again(self) -> None:
        self.hold("a")
        self.now = 40
        self.assertEqual(self.seen.came("a"), 20, "somebody has it")
        self.now = 60
        self.hold("a")
        self.assertEqual(self.seen.came("a"), 60)

    def test_who_says_that_he_works_keeps_it(self) -> None:
        hold = self.hold("a")
        self.now = 50
        self.seen.renew(hold)
        self.now = 100
        self.assertEqual(self.seen.came("a"), 10)

    def test_while_an_answer_is_under_way_it_is_in_hand(self) -> None:
        hold = self.hold("a")
        self.seen.answering(hold)
        self.seen.renew(hold)
        self.now = 10_000
        self.assertEqual(self.seen.came("a"), float("inf"))
        self.seen.given_up(hold)
        again = self.hold("a")
        self.seen.given_up(hold)
        self.seen.answering(hold)
        self.assertEqual(self.seen.came("a"), 60, "who held it before can neither give it up nor keep it")
        self.seen.answered("a")
        self.seen.given_up(again)
        self.seen.renew(again)
        self.now = 20_000
        self.assertEqual(self.seen.came("a"), "answered")
        self.assertTrue(self.seen.is_answered("a"))

    def test_it_remembers_so_many_and_no_more(self) -> None:
        first, _ = self.hold("a"), self.hold("b")
        self.assertEqual(self.seen.came("c"), 60, "no room: it comes later")
        self.seen.answering(first)
        self.now = 60
        self.hold("c")  # in the place of b, whose time is over
        self.assertEqual(self.seen.came("a"), float("inf"))
        self.assertEqual(self.seen.came("b"), 60)
        for id in ("a", "c", "d"):
            self.seen.answered(id)
        self.assertFalse(self.seen.is_answered("a"))
        self.assertEqual(self.seen.came("d"), "answered")

    def test_the_same_receipt_leaves_under_the_same_id(self) -> None:
        receipt: dict[str, Any] = {"delivery": "a", "count": 1}
        self.assertEqual(self.seen.receipt(receipt, lambda: "7"), "7")
        self.assertEqual(self.seen.receipt(dict(receipt), lambda: "8"), "7")
        self.assertEqual(self.seen.receipt({**receipt, "count": 2}, lambda: "9"), "9")
        self.seen.refused("a")
        self.assertEqual(self.seen.receipt({**receipt, "count": 2}, lambda: "10"), "10")


if __name__ == "__main__":
    unittest.main()
