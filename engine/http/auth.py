"""Who is calling: write keys of sources and the ops key. Keys are compared as hashes, in constant time.

The workspace holds only hashes; a key is shown once, when it is made.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Sequence

from starlette.requests import Request

from engine.http.problems import Problem
from engine.http.settings import Reader, Source

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="journeyd", charset="UTF-8"'}


def hash_key(key: str) -> str:
    """Return what the workspace stores of a key (keys are random and long, so a plain hash is enough).

    >>> hash_key("k")[:8]
    '8254c329'
    """
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def find_source(sources: Sequence[Source], key: str) -> Source | None:
    """Return the source that the write key belongs to; looks at every source, whatever it finds."""
    digest = hash_key(key)
    found = [source for source in sources if hmac.compare_digest(source.key_hash, digest)]
    return found[0] if found and key else None


def find_reader(readers: Sequence[Reader], request: Request) -> Reader | None:
    """Return whose read key the request carries, as Basic username or bearer token; looks at every reader."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if kind.lower() == "bearer" else basic_key(request) or ""
    digest = hash_key(key)
    found = [reader for reader in readers if hmac.compare_digest(reader.key_hash, digest)]
    return found[0] if found and key else None


def basic_key(request: Request) -> str | None:
    """Return the Basic username, None when there is no such header; raises `Problem` 401 for a broken one."""
    kind, _, packed = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, _ = b64decode(packed.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise unauthorised("The Authorization header is not Basic credentials") from None
    return name


def unauthorised(detail: str = "The write key is missing or unknown") -> Problem:
    """Return the 401 that asks for a write key."""
    problem = Problem(401, "unknown_key", detail, remedy="Send a write key of journeyd.yaml as the Basic username")
    problem.headers.update(_CHALLENGE)
    return problem


def check_ops_key(request: Request, key_hash: str) -> None:
    """Let the holder of the ops key pass; raises `Problem` 401."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if not key_hash or kind.lower() != "bearer" or not hmac.compare_digest(hash_key(key.strip()), key_hash):
        problem = Problem(401, "unknown_ops_key", "The ops key is missing or wrong", remedy="Send it as a bearer token")
        problem.headers["WWW-Authenticate"] = 'Bearer realm="journeyd"'
        raise problem
