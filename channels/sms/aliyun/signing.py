"""ACS3-HMAC-SHA256, Aliyun's third signature: pure functions over a request's parts.

The query is encoded here, by RFC 3986 (a space is %20), and must be sent exactly as signed: HTTP libraries would
write "+". Vectors are in the tests.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from engine.core.ids import SECOND, Micros

ALGORITHM: Final = "ACS3-HMAC-SHA256"


def canonical_query(params: Mapping[str, str]) -> str:
    """Return the query string, sorted and percent-encoded.

    >>> canonical_query({"SignName": "阿里 云", "A": "1~"})
    'A=1~&SignName=%E9%98%BF%E9%87%8C%20%E4%BA%91'
    """
    return "&".join(f"{quote(key, safe='-_.~')}={quote(params[key], safe='-_.~')}" for key in sorted(params))


def timestamp(now: Micros) -> str:
    """Return `now` as x-acs-date wants it: UTC, whole seconds."""
    return datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def body_hash(body: bytes) -> str:
    """Return x-acs-content-sha256."""
    return sha256(body).hexdigest()


def canonical_request(method: str, query: str, headers: Mapping[str, str]) -> str:
    """Return what is hashed; `headers` (lower-case names) must hold host and every x-acs-* that is sent."""
    names = signed_headers(headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    return "\n".join([method, "/", query, lines, ";".join(names), headers["x-acs-content-sha256"]])


def signed_headers(headers: Mapping[str, str]) -> list[str]:
    """Return the names that the signature covers, sorted."""
    return sorted(name for name in headers if name in {"host", "content-type"} or name.startswith("x-acs-"))


def signature(secret: bytes, request: str) -> str:
    """Return the hex signature of a canonical request."""
    text = f"{ALGORITHM}\n{sha256(request.encode()).hexdigest()}"
    return hmac.new(secret, text.encode(), sha256).hexdigest()


def authorization(key_id: str, secret: bytes, request: str, headers: Mapping[str, str]) -> str:
    """Return the Authorization header's value."""
    names = ";".join(signed_headers(headers))
    return f"{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature(secret, request)}"
