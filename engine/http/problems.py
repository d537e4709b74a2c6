"""Refusals as RFC 9457 problem documents: a code, a place and a remedy. Bad input ends here, never in a 5xx.

Every route raises `Problem`; `handlers` turns it, and everything else that can go wrong, into an answer.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from engine.core.errors import BadInput, JourneydError, LogAway, Overloaded, StoreAway, StoreFull
from engine.core.ids import share

TYPE: Final = "application/problem+json"
_LISTED: Final = 100
_CODES: Final = {404: "not_found", 405: "method_not_allowed"}
_REMEDIES: Final = {
    404: "Check the path: ingest is /v1/{identify,track,page,screen,group,alias,batch}",
    405: "Use the method in the Allow header",
}
_log = structlog.get_logger("http")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with the input: where (`batch[3].timestamp`), what, and what to write instead."""

    field: str
    problem: str
    remedy: str = ""
    code: str = "bad_input"


class Problem(JourneydError):
    """The request cannot be taken as it is: the answer names the field and the remedy."""

    code = "problem"

    def __init__(self, status: int, code: str, detail: str, *, remedy: str = "", faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.status, self.problem_code, self.detail, self.remedy = status, code, detail, remedy
        self.faults = tuple(faults)
        self.headers: dict[str, str] = {}


def refuse_input(error: BadInput, *, code: str = "bad_input") -> Problem:
    """Return the 400 that says what `error` says."""
    fault = Fault(field=error.field, problem=error.problem, remedy=error.remedy, code=code)
    return Problem(400, code, error.problem, remedy=error.remedy, faults=[fault] if error.field else [])


def ask_later(status: int, code: str, detail: str, *, seconds: float, seed: str) -> Problem:
    """Return a 429 or 503 with a jittered Retry-After, so that the refused do not come back all at once."""
    problem = Problem(status, code, detail, remedy="Send the same request again after the seconds in Retry-After")
    problem.headers["Retry-After"] = str(max(1, round(seconds * (1 + share(seed)))))
    return problem


def answer(problem: Problem) -> Response:
    """Return the problem document. `message` repeats `detail` because Segment's clients read it."""
    document: dict[str, Any] = {
        "type": f"urn:journeyd:problem:{problem.problem_code}",
        "title": problem.problem_code.replace("_", " "),
        "status": problem.status,
        "code": problem.problem_code,
        "detail": problem.detail,
        "message": problem.detail,
    }
    if problem.remedy:
        document["remedy"] = problem.remedy
    if problem.faults:
        document["errors"] = [msgspec.to_builtins(fault) for fault in problem.faults[:_LISTED]]
        document["error_count"] = len(problem.faults)
    return Response(msgspec.json.encode(document), problem.status, dict(problem.headers), media_type=TYPE)


Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]


def handlers(count: Callable[[str], None]) -> Mapping[Any, Handler]:
    """Return Starlette's exception handlers; `count` is told the code of each refusal."""

    async def on_refusal(request: Request, error: Exception) -> Response:
        problem = _as_problem(request, error)
        count(problem.problem_code)
        if problem.status >= 500:
            # What is away is no bug of ours: the code says which, and a trace of the driver's says nothing more.
            trace = None if isinstance(error, StoreAway | LogAway) else error
            _log.error("http_failed", code=problem.problem_code, status=problem.status, exc_info=trace)
        else:
            _log.debug("http_refused", code=problem.problem_code, status=problem.status, method=request.method)
        return answer(problem)

    kinds = (JourneydError, HTTPException, ClientDisconnect, UnicodeError, msgspec.MsgspecError, Exception)
    return dict.fromkeys(kinds, on_refusal)


def _as_problem(request: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case BadInput():
            return refuse_input(error)
        case StoreFull():
            return ask_later(503, error.code, "The disk is full; nothing was taken", seconds=30, seed=_seed(request))
        case StoreAway():
            said = "The database cannot be reached for now; nothing was taken"
            return ask_later(503, error.code, said, seconds=2, seed=_seed(request))
        case LogAway():
            said = "The broker did not confirm; send the same again, it counts once"
            return ask_later(503, error.code, said, seconds=2, seed=_seed(request))
        case Overloaded():
            return ask_later(429, error.code, str(error), seconds=error.retry_after, seed=_seed(request))
        case HTTPException():
            code = _CODES.get(error.status_code, "bad_request")
            problem = Problem(error.status_code, code, error.detail, remedy=_REMEDIES.get(error.status_code, ""))
            problem.headers.update(error.headers or {})
            return problem
        case ClientDisconnect():
            return Problem(
                400, "body_cut", "The connection closed before the body was complete", remedy="Send it again"
            )
        case UnicodeError() | msgspec.MsgspecError():
            return Problem(400, "bad_input", "The request holds text that is not valid", remedy="Send valid UTF-8")
        case _:
            return Problem(
                500, "internal", "A bug on our side; nothing is known to be taken", remedy="Send it again later"
            )


def _seed(request: Request) -> str:
    client = request.client
    return f"{client.host}:{client.port}" if client else "?"
