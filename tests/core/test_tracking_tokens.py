"""Tokens of tracked links: nothing that we did not sign, for exactly this purpose, is ever read."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.errors import BadSetting
from engine.core.ids import derive
from engine.tracking.links import SignedLinks, is_trackable
from engine.tracking.tokens import Key, KeyRing, OfTouch, Signed

OLD = Key(1, b"old secret of sixteen bytes")
NEW = Key(2, b"new secret of sixteen bytes")
TOUCH = derive("touch", "r1", "3", 1)
SIGNED = Signed(TOUCH, 4, "https://shop.example/cart?utm_source=a&b=1#pay")


@pytest.mark.parametrize("purpose", ["click", "open", "unsubscribe"])
def test_a_token_says_back_what_was_signed(purpose: OfTouch) -> None:
    ring = KeyRing([NEW])
    assert ring.read(purpose, ring.sign(purpose, SIGNED)) == SIGNED


def test_no_token_opens_under_another_purpose() -> None:
    ring = KeyRing([NEW])
    purposes: list[OfTouch] = ["click", "open", "unsubscribe"]
    for signed_for in purposes:
        token = ring.sign(signed_for, SIGNED)
        assert [purpose for purpose in purposes if ring.read(purpose, token)] == [signed_for]


def test_every_flipped_bit_is_refused() -> None:
    ring = KeyRing([NEW])
    for purpose in ("click", "open", "unsubscribe"):
        token = ring.sign("unsubscribe", SIGNED)
        raw = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        for bit in range(len(raw) * 8):
            raw[bit // 8] ^= 1 << bit % 8
            assert ring.read(purpose, urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()) is None
            raw[bit // 8] ^= 1 << bit % 8


def test_every_other_spelling_of_the_same_bytes_is_refused() -> None:
    ring = KeyRing([NEW])
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n"
    for extra in range(3):
        token = ring.sign("open", Signed(TOUCH + "x" * extra))
        for place in range(len(token)):
            for letter in alphabet:
                forged = token[:place] + letter + token[place + 1 :]
                assert forged == token or ring.read("open", forged) is None
        assert ring.read("open", token + "=") is None
        assert ring.read("open", token + "A") is None


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_made_up_text_is_a_token(text: str) -> None:
    assert KeyRing([NEW]).read("click", text) is None


def test_old_tokens_stay_good_after_a_rotation_and_die_with_their_key() -> None:
    token = KeyRing([OLD]).sign("unsubscribe", Signed(TOUCH))
    assert KeyRing([NEW, OLD]).read("unsubscribe", token) == Signed(TOUCH)
    assert KeyRing([NEW]).read("unsubscribe", token) is None
    # The same key id with another secret is another key.
    assert KeyRing([Key(1, NEW.secret)]).read("unsubscribe", token) is None


@pytest.mark.parametrize("keys", [[], [Key(1, b"short")], [Key(300, NEW.secret)], [OLD, Key(1, NEW.secret)]])
def test_bad_keys_are_refused_with_words(keys: list[Key]) -> None:
    with pytest.raises(BadSetting, match="key"):
        KeyRing(keys)


def test_links_stand_under_the_base_address() -> None:
    links = SignedLinks("https://go.brand.example/m/", KeyRing([NEW]))
    assert links.click(TOUCH, 0, "https://shop.example/").startswith("https://go.brand.example/m/t/c/")
    assert links.pixel(TOUCH).endswith(".gif")
    assert links.unsubscribe(TOUCH).startswith("https://go.brand.example/m/t/u/")


@pytest.mark.parametrize("url", ["mailto:mei@brand.example", "tel:+8613800138000", "#top", "https://a@b.example/"])
def test_what_cannot_be_tracked_stays_as_it_is(url: str) -> None:
    assert SignedLinks("https://go.brand.example", KeyRing([NEW])).click(TOUCH, 0, url) == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//evil.example",
        "/relative",
        "https://",
        "https://a.example:99999/",
        "https://a.example\\@b.example/",
        "https://a.example/\nSet-Cookie: a=b",
        "https://a.example/ b",
        "https://[::1",
        "ftp://a.example/",
        "https://a.example/" + "x" * 2048,
    ],
)
def test_a_redirect_never_leads_to_such_an_address(url: str) -> None:
    assert not is_trackable(url)
