"""Fingerprints of identifiers: how the erasure ledger and the suppression list know an address without holding it.

A keyed hash: who has the ledger but not the workspace's key can neither read it nor try addresses against it. The key
(`pepper`) is made once in the data folder and stays with the log and the ledger for good.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 64


def fingerprint(pepper: bytes, name: str) -> str:
    """Return the 32 hex digits that stand for "kind:value", normalised as the store keeps it.

    >>> fingerprint(b"0" * 32, "email:mei@brand.example")
    'c237e88dfc863739681f128c9748b11f'
    """
    inner, outer = _begun(pepper)
    inner, outer = inner.copy(), outer.copy()
    inner.update(name.encode())
    outer.update(inner.digest())
    return outer.hexdigest()[:32]


def fingerprints(pepper: bytes, names: Iterable[str]) -> dict[str, str]:
    """Return name -> fingerprint."""
    return {name: fingerprint(pepper, name) for name in names}


@lru_cache(maxsize=8)
def _begun(pepper: bytes) -> "tuple[_Hash, _Hash]":
    """Return HMAC-SHA256's two hashes with the key taken in, begun once: every event may be asked for fingerprints."""
    key = (pepper if len(pepper) <= _BLOCK else sha256(pepper).digest()).ljust(_BLOCK, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))
    inner.update(b"journeyd/fingerprint/1/")
    return inner, outer
