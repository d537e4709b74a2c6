"""A fingerprint is HMAC-SHA256 as everybody knows it: with the key anybody can make the same."""

import hmac

import pytest

from engine.usecases.fingerprints import fingerprint, fingerprints


@pytest.mark.parametrize("length", [1, 32, 64, 65, 200])
@pytest.mark.parametrize("name", ["email:mei@brand.example", "user_id:客户", ""])
def test_a_fingerprint_is_the_half_of_an_hmac(length: int, name: str) -> None:
    key = b"k" * length
    expected = hmac.digest(key, b"journeyd/fingerprint/1/" + name.encode(), "sha256").hex()[:32]
    assert fingerprint(key, name) == expected
    assert fingerprints(key, [name, name]) == {name: expected}


def test_another_key_makes_another_fingerprint() -> None:
    assert fingerprint(b"a" * 32, "user_id:u1") != fingerprint(b"b" * 32, "user_id:u1")
