"""What `journeyd doctor` says of one thing it looked at. Value only."""

from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One look: `level` ok, warning or problem; `remedy` what to do."""

    what: str
    level: Literal["ok", "warning", "problem"]
    detail: str
    remedy: str = ""
