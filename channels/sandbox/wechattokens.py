"""Access tokens of the official account: issued, renewed, expired and refused as the platform does it.

Two independent kinds: `token` (each call a new one) and `stable_token` (the same one while it is valid). Used by
`wechat`; the tests turn `life` down and call `expire` to make clients refresh in mid-run.
"""

from collections.abc import Callable
from typing import Final

from engine.core.ids import MINUTE, SECOND, Micros, derive

_OVERLAP: Final = 5 * MINUTE
_FORCED_APART: Final = 30 * SECOND
_KEPT: Final = 10_000


class Tokens:
    """The tokens of one account. `issued` counts new ones: a proof that many 40001s made one refresh."""

    def __init__(self, life: Micros, now: Callable[[], Micros]) -> None:
        self.life = life
        self.issued = 0
        self._now = now
        self._expires: dict[str, Micros] = {}
        self._stable = ""
        self._plain = ""
        self._forced: Micros | None = None

    def plain(self) -> tuple[str, int]:
        """Issue a token and its seconds to live; the one before lives on for five minutes at most."""
        self._shorten(self._plain)
        self._plain = self._issue()
        return self._plain, self._left(self._plain)

    def stable(self, *, force: bool) -> tuple[str, int] | None:
        """Return the stable token, a new one near its end; None when forced again within 30 seconds."""
        now = self._now()
        if force:
            if self._forced is not None and now - self._forced < _FORCED_APART:
                return None
            self._forced = now
            self._expires.pop(self._stable, None)
            self._stable = ""
        if self._expires.get(self._stable, 0) - now <= self._overlap():
            self._stable = self._issue()
        return self._stable, self._left(self._stable)

    def error(self, token: str) -> tuple[int, str] | None:
        """Return (errcode, errmsg) for a token that opens nothing."""
        if not token:
            return 41001, "access_token missing"
        expires = self._expires.get(token)
        if expires is None:
            return 40001, "invalid credential, access_token is invalid or not latest"
        return (42001, "access_token expired") if expires <= self._now() else None

    def expire(self) -> None:
        """Let every token run out now: the next call with one gets 42001."""
        self._expires = dict.fromkeys(self._expires, self._now())

    def revoke(self) -> None:
        """Forget every token: the next call with one gets 40001."""
        self._expires.clear()

    def _issue(self) -> str:
        self.issued += 1
        token = "_".join(derive("token", self._now(), self.issued, part) for part in range(5))
        self._expires[token] = self._now() + self.life
        while len(self._expires) > _KEPT:
            del self._expires[next(iter(self._expires))]
        return token

    def _shorten(self, token: str) -> None:
        if token in self._expires:
            self._expires[token] = min(self._expires[token], self._now() + _OVERLAP)

    def _overlap(self) -> Micros:
        return min(_OVERLAP, self.life // 24)

    def _left(self, token: str) -> int:
        return max(0, self._expires[token] - self._now()) // SECOND
