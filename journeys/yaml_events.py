"""YAML text -> parser events, by libyaml where it can, else by ruamel's own scanner. Called by `positions.py` only.

libyaml (`ruamel.yaml.clib`) is thirty times as fast and reads what both take in the same way; whatever it refuses, and
the few characters that YAML 1.1 and 1.2 read differently, go to the scanner of YAML 1.2, whose complaints are shown.
"""

import re
from collections.abc import Iterator
from typing import Final

from _ruamel_yaml import CParser
from ruamel.yaml import YAML
from ruamel.yaml.events import Event

# Tabs between tokens, and the line breaks of YAML 1.1 that YAML 1.2 takes for letters.
_READ_DIFFERENTLY: Final = re.compile("[\t\x85\u2028\u2029\ufeff]|^[%]", re.MULTILINE)


def is_plain_sailing(text: str) -> bool:
    """Say whether both scanners understand the characters of `text` in the same way.

    >>> is_plain_sailing("a: 1"), is_plain_sailing("a:\\t1")
    (True, False)
    """
    return _READ_DIFFERENTLY.search(text) is None


def fast_events(text: str) -> Iterator[Event]:
    """Yield the events of libyaml; raises `YAMLError` where the exact scanner may know better."""
    parser = CParser(text)
    while parser.check_event():
        yield parser.get_event()


def exact_events(text: str) -> Iterator[Event]:
    """Yield the events of YAML 1.2; raises `MarkedYAMLError` with the complaint to show."""
    yield from YAML(typ="safe", pure=True).parse(text)
