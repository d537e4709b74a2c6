"""Named places to die at, for the crash harness: JOURNEYD_FAILPOINT="send.after:3" kills the process there.

Nothing happens unless the variable is set; the places are `POINTS` and `ERASING` of `runtime/embedded`.
"""

import os
import signal
from collections.abc import Callable, Mapping

from engine.core.errors import BadSetting
from engine.runtime.embedded import ERASING, POINTS


def arm(environ: Mapping[str, str]) -> Callable[[str], None]:
    """Return the trip wire that the environment asks for: kill -9 this process at the n-th pass of a place."""
    said = environ.get("JOURNEYD_FAILPOINT", "")
    if not said:
        return _pass
    place, _, times = said.partition(":")
    places = (*POINTS, *ERASING)
    if place not in places or not (times or "1").isdigit():
        raise BadSetting(f"JOURNEYD_FAILPOINT={said!r}: write <place>:<times> with a place of {', '.join(places)}")
    left = int(times or "1")

    def trip(point: str) -> None:
        nonlocal left
        if point == place:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return trip


def _pass(_point: str) -> None:
    """Go on."""
