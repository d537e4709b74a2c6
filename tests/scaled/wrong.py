"""Systems that are wrong on purpose. If the audit does not convict them, it proves nothing of the right one."""

from collections.abc import Callable
from typing import Final

VARIANTS: Final[dict[str, Callable[[], None]]] = {}
"""Name -> what makes this process wrong."""


def inject(variant: str) -> None:
    """Make this process the wrong system of that name; "" leaves the product as it is."""
    if variant:
        VARIANTS[variant]()
