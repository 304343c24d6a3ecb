"""The trust bundle: who may take part with which rules, checked without asking anybody (docs/protocol.md §10.2)."""

from __future__ import annotations

import json
import time
from typing import Any, TypedDict, cast

from .canonical import canonical, parse_time
from .encoding import digest_of
from .errors import FormError, KeyFault, ProofError
from .keys import verify
from .outcome import Root, open_checkpoint

_BYTES_MAX = 1 << 20
_AHEAD = 60 * 1_000_000_000


class TrustBundle(TypedDict):
    """What a bundle says, from ``issued`` to ``expires``."""

    v: int
    origin: str
    generation: int
    """Take no bundle with a lower one than one that you had."""
    issued: str
    expires: str
    checkpoint: dict[str, Any]
    keys: list[str]
    complete: bool
    """Who is not in a complete bundle takes no part; who is not in another is not known."""
    omitted: int
    parties: list[dict[str, Any]]
    """Each with ``party``, ``standing``, ``rules`` and ``keys``."""


def _now() -> int:
    return time.time_ns()


def open_trust_bundle(raw: bytes, root: Root, now: int | None = None) -> TrustBundle:
    """The bundle in these bytes, when it is the exchange's and in force at ``now`` (nanoseconds of Unix time).

    Checked in this order are its form, the origin, the key, the signature, the checkpoint that it stands on, and the time.
    Bytes are as they were received or saved: others are no bundle, not even with a line end after them. Raises
    :class:`ProofError`.
    """
    if len(raw) > _BYTES_MAX:
        raise ProofError(f"a trust bundle has at most {_BYTES_MAX} bytes")
    try:
        text = raw.decode()
        envelope = json.loads(text)
    except ValueError as error:
        raise ProofError(f"the trust bundle is damaged: {error}") from None
    if not isinstance(envelope, dict) or set(envelope) != {"bundle", "key", "signature"}:
        raise ProofError("the trust bundle has not the members bundle, key and signature")
    if canonical(envelope) != text:
        raise ProofError("the trust bundle is not written in the canonical form in which it was signed")
    bundle, key, signature = envelope["bundle"], envelope["key"], envelope["signature"]
    if not isinstance(bundle, dict) or bundle.get("origin") != root.origin:
        raise ProofError(f"the trust bundle is not of the exchange {root.origin}")
    if not isinstance(signature, str) or key not in root.keys:
        raise ProofError("the trust bundle is signed with a key that is not known to be the exchange's")
    signed = f"dex-trust-bundle-v1\n{root.origin}\n{digest_of(canonical(bundle).encode())}"
    try:
        if not verify(key, signature, signed.encode()):
            raise ProofError("the trust bundle's signature is wrong")
        if bundle["v"] != 1:
            raise ProofError(f"the trust bundle's version is {bundle['v']}, this program reads 1")
        stand = bundle["checkpoint"]
        tree = open_checkpoint(stand["note"], root)
        if (tree.size, tree.root.hex()) != (stand["treeSize"], stand["root"]):
            raise ProofError("the trust bundle's checkpoint is of another tree than it says")
        issued, expires = parse_time(bundle["issued"]), parse_time(bundle["expires"])
    except (KeyError, TypeError, FormError, KeyFault) as error:
        raise ProofError(f"the trust bundle is damaged: {error!r}") from None
    at = _now() if now is None else now
    if at + _AHEAD < issued:
        raise ProofError(f"the trust bundle was issued at {bundle['issued']}, which is yet to come")
    if at >= expires:
        raise ProofError(f"the trust bundle has expired at {bundle['expires']}: get a new one")
    return cast(TrustBundle, bundle)


def holds(bundle: TrustBundle, party: str, key: str, at: int | None = None) -> bool:
    """Whether the bundle lists the party as active and this key as its own and in force at a time (nanoseconds)."""
    when = _now() if at is None else at
    if not parse_time(bundle["issued"]) <= when < parse_time(bundle["expires"]):
        return False
    found = next((it for it in bundle["parties"] if it["party"] == party and it["standing"] == "active"), None)
    return found is not None and any(
        held["key"] == key and parse_time(held["from"]) <= when and ("until" not in held or when < parse_time(held["until"]))
        for held in found["keys"]
    )
