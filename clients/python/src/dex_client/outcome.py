"""Outcomes: how an exchange stands, and the offline proof that the ledger says so (docs/protocol.md §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, cast, get_args

from .canonical import canonical, parse_time
from .checkpoint import Checkpoint, CheckpointVerifier
from .encoding import from_base64, from_hex, sha256
from .entry import Entry, read_entry, told_by
from .errors import DexError, FormError, ProofError, Reason
from .tree import leaf_hash, root_of

Status = Literal["accepted", "pending", "settled", "rejected", "disputed", "expired", "recalled"]
"""How an exchange, or a registry action, stands. The last five are final."""


class Proof(TypedDict):
    """The proof that comes with an outcome when it was asked for."""

    entry: str
    """The entry, base64."""
    salt: str
    """Its salt, base64: the leaf data is SHA-256(salt ‖ entry)."""
    path: Sequence[str]
    """The inclusion path, hex, lowest first."""
    checkpoint: str
    """The signed checkpoint."""


@dataclass(frozen=True)
class Part:
    """One part of a fan-out: an exchange with outcomes of its own."""

    exchange: str
    debit: str
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Outcome:
    """What became of a message or an exchange, and where that stands in the ledger."""

    exchange: str
    """The ``Dex-Id`` of the message, or the id of a part."""
    status: Status
    reason: Reason | None
    parts: tuple[Part, ...]
    """Of a fan-out."""
    delivery: str | None
    """The delivery's id at its recipient."""
    digest_in: str
    """SHA-256 of the body that came."""
    digest_out: str | None
    """SHA-256 of the body as delivered."""
    count: int
    """Records."""
    dropped: Mapping[str, int]
    """Fields that were left out, for their class was not granted, by class."""
    at: str
    """Time of the entry."""
    log: str
    """The ledger's name."""
    leaf: int
    """The entry's place in it, from 0."""
    tree_size: int
    """Size of the tree whose signed checkpoint covers the entry."""
    proof: Proof | None
    raw: Mapping[str, Any]
    """All of it as it came: save this to check it later."""

    @classmethod
    def read(cls, raw: object) -> Outcome:
        """From its JSON. Raises :class:`FormError` when it is none."""
        try:
            it = cast("dict[str, Any]", raw)
            if not isinstance(it["exchange"], str) or it["status"] not in get_args(Status):
                raise FormError("an answer is no outcome: its exchange is no id, or its status none of the protocol's")
            parts = tuple(Part(part["exchange"], part["debit"], part.get("dropped", {})) for part in it.get("parts", ()))
            return cls(
                exchange=it["exchange"], status=it["status"], reason=it.get("reason"), parts=parts, delivery=it.get("delivery"),
                digest_in=it["digestIn"], digest_out=it.get("digestOut"), count=it["count"], dropped=it.get("dropped", {}),
                at=it["at"], log=it["leaf"]["log"], leaf=it["leaf"]["index"], tree_size=it["treeSize"], proof=it.get("proof"), raw=it,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FormError(f"an answer is no outcome: {error!r}") from None

    @property
    def final(self) -> bool:
        """Whether nothing follows this status."""
        return self.status not in ("accepted", "pending")


@dataclass(frozen=True)
class Root:
    """On whose word a proof is taken: the exchange's origin and its keys (``U…``), from a source that you trust."""

    origin: str
    keys: Sequence[str]


@dataclass(frozen=True)
class Proved:
    """What an outcome's proof proves."""

    entry: Entry
    """The ledger's entry, as it is recorded."""
    to: str
    """To whom the exchange owes this outcome."""
    tree: Checkpoint
    """The signed tree."""


def open_checkpoint(note: str, root: Root) -> Checkpoint:
    """A checkpoint that the exchange signed with one of its keys. Raises :class:`ProofError`."""
    wrong: DexError = ProofError("no key of the exchange is known")
    for key in root.keys:
        try:
            return CheckpointVerifier.of(root.origin, key).open(note)
        except DexError as error:
            wrong = error
    raise wrong


def proved_entry(index: int, proof: Proof, tree: Checkpoint) -> bytes:
    """The bytes of an entry, when it is leaf ``index`` of the signed tree. Raises :class:`ProofError`."""
    try:
        entry, salt, path = from_base64(proof["entry"]), from_base64(proof["salt"]), [from_hex(hash) for hash in proof["path"]]
    except (ValueError, KeyError, TypeError):
        raise ProofError("the proof has texts that are no base64 or hex") from None
    if len(salt) != 32 or any(len(hash) != 32 for hash in path):
        raise ProofError("a salt and each hash of a path have 32 bytes")
    if root_of(leaf_hash(sha256(salt, entry)), index, tree.size, path) != tree.root:
        raise ProofError(f"leaf {index} is not in the signed tree of {tree.size}")
    return entry


def verify_outcome(outcome: Outcome | Mapping[str, Any], root: Root) -> Proved:
    """Checks an outcome offline.

    The checkpoint is signed by the exchange, the entry is in its tree, and the entry says what the outcome does. A receipt's
    outcome is checked the same way. What became of the exchange after this entry it does not prove. Takes an outcome, or its
    JSON as it was saved. Raises :class:`ProofError` when any of it is wrong, or the outcome has no proof.
    """
    raw = dict(outcome.raw if isinstance(outcome, Outcome) else outcome)
    read = Outcome.read(raw)
    if read.proof is None:
        raise ProofError("the outcome has no proof: send the message with want_proof=True")
    tree = open_checkpoint(read.proof["checkpoint"], root)
    if read.log != tree.origin:
        raise ProofError(f"its leaf is in the log {read.log}, its checkpoint of {tree.origin}")
    if read.tree_size != tree.size:
        raise ProofError(f"it names a tree of {read.tree_size}, its checkpoint one of {tree.size}")
    entry = read_entry(proved_entry(read.leaf, read.proof, tree))
    # Times have more than one spelling: they are compared as times.
    said = {name: value for name, value in raw.items() if name not in ("leaf", "treeSize", "proof")}
    wanted = canonical({**said, "at": str(parse_time(read.at))})
    for told in told_by(entry):
        if canonical({**told.outcome, "at": str(entry.at)}) == wanted:
            return Proved(entry, told.to, tree)
    raise ProofError("the entry in the ledger says something else than the outcome")
