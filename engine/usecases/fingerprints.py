"""Fingerprints of identifiers: how the erasure ledger and the suppression list know an address without holding it.

A keyed hash: who has the ledger but not the workspace's key can neither read it nor try addresses against it. The key
(`pepper`) is made once in the data folder and stays with the log and the ledger for good.
"""

import hmac
from collections.abc import Iterable


def fingerprint(pepper: bytes, name: str) -> str:
    """Return the 32 hex digits that stand for "kind:value", normalised as the store keeps it.

    >>> fingerprint(b"0" * 32, "email:mei@brand.example")
    'c237e88dfc863739681f128c9748b11f'
    """
    return hmac.digest(pepper, b"journeyd/fingerprint/1/" + name.encode(), "sha256").hex()[:32]


def fingerprints(pepper: bytes, names: Iterable[str]) -> dict[str, str]:
    """Return name -> fingerprint."""
    return {name: fingerprint(pepper, name) for name in names}
