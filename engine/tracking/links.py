"""The signed addresses in messages: click, pixel, unsubscribe, confirmation, preferences.

The renderer asks for them; the HTTP face reads them back. It rewrites nothing by itself and never becomes an open
redirect: an address that we did not sign leads nowhere.
"""

from typing import Final
from urllib.parse import urlsplit

from engine.core.errors import BadSetting
from engine.tracking.tokens import KeyRing, Person, Signed

URL_LIMIT: Final = 2048


class SignedLinks:
    """Makes and reads tracked addresses under `base_url` (scheme, host and maybe a path, no query)."""

    def __init__(self, base_url: str, keys: KeyRing) -> None:
        if not is_trackable(base_url) or urlsplit(base_url).query:
            raise BadSetting(f"The public address {base_url!r} is not one: write it like https://go.brand.example")
        self.base_url = base_url.rstrip("/")
        self.keys = keys

    def click(self, touch_id: str, index: int, url: str) -> str:
        """Return the tracked form of link `index`; what cannot be tracked (mailto:, userinfo) returns unchanged."""
        if not is_trackable(url):
            return url
        return f"{self.base_url}/t/c/{self.keys.sign('click', Signed(touch_id, index, url))}"

    def pixel(self, touch_id: str) -> str:
        """Return the address of the open pixel."""
        return f"{self.base_url}/t/o/{self.keys.sign('open', Signed(touch_id))}.gif"

    def unsubscribe(self, touch_id: str) -> str:
        """Return the address for List-Unsubscribe and the footer: a GET asks, a POST does."""
        return f"{self.base_url}/t/u/{self.keys.sign('unsubscribe', Signed(touch_id))}"

    def confirm(self, customer: str, scope: str, asked: int) -> str:
        """Return the address where the customer confirms a yes asked for at that instant: a GET asks, a POST does."""
        return f"{self.base_url}/t/y/{self.keys.sign_person('confirm', Person(customer, scope, asked))}"

    def preferences(self, customer: str) -> str:
        """Return the address of the customer's preference centre."""
        return f"{self.base_url}/t/p/{self.keys.sign_person('preferences', Person(customer))}"


def is_trackable(url: str) -> bool:
    """Say whether a redirect may lead there: http(s), a host, no userinfo, no spaces or control characters.

    >>> is_trackable("https://shop.example/a?b=1#c"), is_trackable("javascript:alert(1)")
    (True, False)
    >>> is_trackable("https://user@evil.example/"), is_trackable("https://a.example/\\r\\nSet-Cookie: x")
    (False, False)
    """
    if len(url) > URL_LIMIT or any(character <= " " or character in "\x7f\\" for character in url):
        return False
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0  # reading it raises for a port that is none
    except ValueError:
        return False
    return has_port and parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
