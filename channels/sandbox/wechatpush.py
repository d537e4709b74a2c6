"""What the official account pushes to the callback: events as XML, plain or encrypted, with a signed query.

`pack` makes the request of one event for the courier. Values are written as CDATA and cannot break out of it.
"""

from collections.abc import Callable, Sequence
from typing import Final

import httpx
import msgspec

from channels.sandbox.receipts import Manners, Posting
from channels.sandbox.settings import Receipts, WechatAccount
from channels.sandbox.wechatcrypt import encrypt, signature
from engine.core.ids import SECOND, Micros, derive

MANNERS: Final = Manners(batch=1, retries=(5.0, 5.0, 5.0), timeout=5.0)


class Push(msgspec.Struct, frozen=True):
    """One event about one follower; `fields` follow the common ones in order."""

    openid: str
    event: str
    at: Micros
    fields: tuple[tuple[str, str], ...] = ()


class Packer:
    """Makes callback requests in the name of the account."""

    def __init__(self, account: WechatAccount, now: Callable[[], Micros]) -> None:
        self._account, self._now = account, now
        self._count = 0

    def pack(self, rules: Receipts, batch: Sequence[msgspec.Struct]) -> Posting:
        """Return the request of one event, newly signed."""
        (push,) = batch
        assert isinstance(push, Push)
        self._count += 1
        account, stamp = self._account, str(self._now() // SECOND)
        nonce = derive("nonce", self._now(), self._count)[:16]
        xml = self._xml(push)
        query = {
            "signature": signature(account.token, stamp, nonce),
            "timestamp": stamp,
            "nonce": nonce,
            "openid": push.openid,
        }
        if account.encrypted:
            sealed = encrypt(xml.encode(), account.aes_key, account.appid, nonce.encode())
            query |= {"encrypt_type": "aes", "msg_signature": signature(account.token, stamp, nonce, sealed)}
            xml = f"<xml>{_cdata('ToUserName', account.account)}{_cdata('Encrypt', sealed)}</xml>"
        return Posting(rules.wechat_url, query, "text/xml", xml.encode())

    def _xml(self, push: Push) -> str:
        fields = "".join(_cdata(name, value) for name, value in push.fields)
        return (
            f"<xml>{_cdata('ToUserName', self._account.account)}{_cdata('FromUserName', push.openid)}"
            f"<CreateTime>{push.at // SECOND}</CreateTime>{_cdata('MsgType', 'event')}"
            f"{_cdata('Event', push.event)}{fields}</xml>"
        )


def is_taken(answer: httpx.Response) -> bool:
    """Say whether the daemon's answer counts: `success`, nothing, or an (encrypted) reply."""
    return answer.text.strip() in ("", "success") or answer.text.lstrip().startswith("<xml>")


def _cdata(name: str, value: str) -> str:
    return f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"
