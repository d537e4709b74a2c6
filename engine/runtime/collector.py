"""The garbage collector's dials for a process whose heap is large, long-lived and almost without cycles.

Customers, plans and templates are values that never form cycles, so reference counts free them. A collector that walks
a hundred thousand of them again and again costs a fifth of the engine's time and finds nothing.
"""

import gc
from typing import Final

_YOUNG: Final = 50_000  # new containers until the young are looked at (the interpreter's own: 700)
_OLDER: Final = 20  # looks at the young per look at the middle-aged
_OLDEST: Final = 50  # and per look at everything


def calm() -> None:
    """Set what is loaded aside and look for cycles rarely. Call once, when the process has started up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)
