"""What can go wrong, each with a type of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from .outcome import Outcome

Reason = Literal[
    "malformed", "too-large", "unknown-party", "bad-signature", "revoked-key", "not-permitted", "not-approved",
    "not-connected", "suspended", "retired", "outside-namespace", "debit-not-found", "debit-not-active", "debit-ended",
    "nothing-selected", "pii-not-granted", "conflict", "stale", "over-quota", "recipient-over-quota", "digest-mismatch",
    "count-mismatch", "refused-by-recipient", "deadline-passed", "recalled-by-sender", "not-found", "wrong-state",
    "already-exists", "offer-full", "offer-below-minimum", "internal",
]
"""Why the exchange said no: the closed set of docs/protocol.md §8."""

REASONS: tuple[Reason, ...] = get_args(Reason)

Fault = Literal["header", "digest", "key", "signature", "origin", "body"]
"""What failed of a message that says it is the exchange's."""


class DexError(Exception):
    """Every error of this package."""


class Refused(DexError):
    """The exchange refused a message: ``reason`` says why."""

    def __init__(self, id: str, reason: Reason, detail: str | None = None, outcome: Outcome | None = None) -> None:
        super().__init__(f"refused: {reason}{'' if detail is None else ': ' + detail} (message {id})")
        self.id = id
        """The refused message."""
        self.reason: Reason = reason
        """Why."""
        self.detail = detail
        """What is wrong here, for people."""
        self.outcome = outcome
        """The ledgered outcome; none where the sender could not be authenticated."""


class QueryRefused(DexError):
    """A query was answered with a problem (RFC 9457)."""

    def __init__(self, query: str, problem: dict[str, object]) -> None:
        super().__init__(f"{query}: {problem.get('reason')}: {problem.get('detail') or problem.get('title')}")
        self.query = query
        self.problem = problem
        self.reason: Reason = problem.get("reason", "internal")  # type: ignore[assignment]


class NoOutcome(DexError):
    """No outcome came in time.

    The message may still be worked on: trace it by its id, or send it again under the same id, which does nothing twice.
    """

    def __init__(self, id: str, waited: float, stored: bool) -> None:
        held = "the broker has stored it" if stored else "the broker has not confirmed it"
        super().__init__(f"no outcome of message {id} within {waited} s ({held}); trace it by this id or send it again under it")
        self.id = id
        """The message's id."""
        self.waited = waited
        """How long was waited, seconds."""
        self.stored = stored
        """Whether the broker confirmed that it holds the message."""


class NoAnswer(DexError):
    """A query was not answered in time: is the exchange running, and may this user ask it?"""

    def __init__(self, query: str, waited: float) -> None:
        super().__init__(f"no answer to {query} within {waited} s: is the exchange running?")
        self.query = query
        self.waited = waited


class Unverified(DexError):
    """A message that says it is the exchange's and is not, or is damaged.

    Do not use it; send no receipt; tell the operator.
    """

    def __init__(self, subject: str, fault: Fault, why: str) -> None:
        super().__init__(f"a message on {subject} was not taken: {why}")
        self.subject = subject
        self.fault: Fault = fault
        self.why = why


class ProofError(DexError):
    """A proof, checkpoint or trust bundle that proves nothing."""


class KeyFault(DexError):
    """A text that is no key, or a key file that cannot be used."""


class ArgumentError(DexError, ValueError):
    """An argument that the protocol does not take, found before anything was sent."""


class FormError(DexError):
    """An answer that is not of the protocol's form."""


class BrokerError(DexError):
    """The broker refused or failed."""
