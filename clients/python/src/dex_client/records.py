"""Records in content that comes piece by piece: counted by their brackets alone, so that nothing is built of them."""

from __future__ import annotations

import hashlib
import re

# What matters to counting: texts, which may hold brackets, and brackets. A text may go on in the next piece.
_MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)|[{}\[\]]', re.DOTALL)
_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)


class Tally:
    """Size, digest and records of a content: elements of one JSON array, or objects one after the other."""

    def __init__(self) -> None:
        self.size = 0
        self.count = 0
        self._hash = hashlib.sha256()
        self._depth = 0
        self._base: int | None = None
        self._in_text = self._escaped = False

    def push(self, piece: bytes) -> None:
        """The next bytes."""
        self.size += len(piece)
        self._hash.update(piece)
        at = 0
        if self._in_text and piece:
            rest = _REST.match(piece, 1 if self._escaped else 0)
            assert rest is not None  # it may match nothing at all
            self._text_ended(rest, piece)
            at = rest.end()
        if self._in_text:
            return
        for mark in _MARKS.finditer(piece, at):
            byte = piece[mark.start()]
            if byte == 0x22:
                self._text_ended(mark, piece)
            elif byte in b"{[":
                # The first bracket says whether the records stand in an array.
                if self._base is None:
                    self._base = 1 if byte == 0x5B else 0
                self.count += self._depth == self._base and byte == 0x7B
                self._depth += 1
            else:
                self._depth -= 1

    def _text_ended(self, mark: re.Match[bytes], piece: bytes) -> None:
        """Notes whether a text goes on after this piece, and whether a backslash is its last byte."""
        self._in_text = not mark[1]
        self._escaped = self._in_text and mark.end() < len(piece)

    @property
    def whole(self) -> bool:
        """Whether every bracket and text is closed, and there is a record."""
        return self.count > 0 and self._depth == 0 and not self._in_text

    @property
    def digest(self) -> str:
        """SHA-256 of all that came, hex."""
        return self._hash.hexdigest()


def count_records(body: bytes) -> int:
    """The records in these bytes."""
    tally = Tally()
    tally.push(body)
    return tally.count
