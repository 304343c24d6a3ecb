"""Merkle trees (RFC 6962 hashing): inclusion, consistency, and signatures that several messages share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .encoding import from_base64url, sha256

_TOGETHER_MAX = 16


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data)."""
    return sha256(b"\0", data)


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\1", left, right)


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that ``path`` leads to from leaf ``index`` of a tree of ``size`` leaves (RFC 9162 §2.1.3.2).

    None when a path there has another length.
    """
    if not 0 <= index < size:
        return None
    f, s, root = index, size - 1, leaf
    for step in path:
        if s == 0:
            return None
        if f & 1 or f == s:
            root = node_hash(step, root)
            while f and not f & 1:
                f, s = f >> 1, s >> 1
        else:
            root = node_hash(root, step)
        f, s = f >> 1, s >> 1
    return root if s == 0 else None


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of ``new_size`` leaves begins with that of ``old_size`` leaves (RFC 9162 §2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == sha256()
    rest = list(proof)
    if old_size & (old_size - 1):
        if not rest:
            return False
        first = rest.pop(0)
    else:
        first = old_root
    f, s = old_size - 1, new_size - 1
    while f & 1:
        f, s = f >> 1, s >> 1
    old = new = first
    for step in rest:
        if s == 0:
            return False
        if f & 1 or f == s:
            old, new = node_hash(step, old), node_hash(step, new)
            while f and not f & 1:
                f, s = f >> 1, s >> 1
        else:
            new = node_hash(new, step)
        f, s = f >> 1, s >> 1
    return s == 0 and old == old_root and new == new_root


def shared_text(origin: str, path: str, text: bytes) -> bytes | None:
    """The text that a shared signature is over, for the message with this signed text and this ``Dex-Path``.

    None when that is no path, or one of another length than its place asks for.
    """
    parts = re.fullmatch(r"(0|[1-9][0-9]?)\.([1-9][0-9]?)\.([A-Za-z0-9_-]+)", path)
    if parts is None:
        return None
    index, size = int(parts[1]), int(parts[2])
    try:
        raw = from_base64url(parts[3])
    except ValueError:
        return None
    if not 2 <= size <= _TOGETHER_MAX or index >= size or len(raw) % 32 or len(raw) > 4 * 32:
        return None
    root = root_of(leaf_hash(text), index, size, [raw[at : at + 32] for at in range(0, len(raw), 32)])
    return None if root is None else f"dex-v1-tree\n{origin}\n{root.hex()}".encode()
