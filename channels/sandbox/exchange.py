"""What the HTTP providers share: a bounded body, and what happens to an answer once the message is accepted."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from channels.sandbox.dials import Fault, Trouble

MAX_BODY: Final = 1_000_000


async def read_body(request: Request) -> bytes | None:
    """Return the body, None when it is over a megabyte."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


async def conclude(trouble: Trouble | None, answer: Response, error: Response) -> Response | None:
    """Return what the client hears of an accepted message; None closes the connection without a word."""
    match trouble.fault if trouble is not None else None:
        case Fault.DROP_REPLY:
            return None
        case Fault.ERROR_AFTER:
            return error
        case Fault.STALL if trouble is not None:
            await asyncio.sleep(trouble.seconds)
            return answer
        case _:
            return answer
