"""The access token of an official account (stable_token).

stable_token gives every process the same token while it is valid, so several daemons need no shared store.
"""

import httpx
import msgspec

from channels.wechat.official.settings import WechatSettings
from channels.wechat.platform import token_in


async def fetch(client: httpx.AsyncClient, settings: WechatSettings) -> tuple[str, int]:
    """Ask for the token; raises `TokenRefused`."""
    body = {"grant_type": "client_credential", "appid": settings.app_id, "secret": settings.secret.reveal()}
    url = f"{settings.base_url.rstrip('/')}/cgi-bin/stable_token"
    return await token_in(client.post(url, content=msgspec.json.encode(body)))
