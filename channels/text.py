"""One piece of Liquid text: parsed once, rendered many times within limits.

No includes, no clock, no objects: the context is plain values, and a customer's data is only ever a value, never
parsed. `templates.py` reads the files, `render.py` supplies the context.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from liquid import BoundTemplate, Environment, Mode
from liquid.exceptions import LiquidError

from channels import filters
from engine.core.errors import Place, TemplateProblem

SOURCE_LIMIT: Final = 200_000
_REMOVED: Final = frozenset({"include", "render"})
_BLOCKS: Final = frozenset({"if", "unless", "for", "case", "capture", "tablerow", "comment", "raw"})
_TAG: Final = re.compile(r"\{%-?\s*(\w+)")


class BadTemplate(TemplateProblem):
    """A template is wrong at a place: `place` says where, `problem` what, `remedy` what to write instead."""

    def __init__(self, place: Place, problem: str, remedy: str = "") -> None:
        super().__init__(f"{place}: {problem}" + (f"; {remedy}" if remedy else ""))
        self.place, self.problem, self.remedy = place, problem, remedy


class _Limited(Environment):
    block_nesting_limit = 30
    context_depth_limit = 30
    loop_iteration_limit = 5_000
    local_namespace_limit = 200_000
    output_stream_limit = 1_000_000


def _environment(*, autoescape: bool) -> Environment:
    environment = _Limited(tolerance=Mode.STRICT, autoescape=autoescape)
    filters.restrict(environment)
    environment.tags = {name: tag for name, tag in environment.tags.items() if name not in _REMOVED}
    return environment


_PLAIN: Final = _environment(autoescape=False)
_HTML: Final = _environment(autoescape=True)


class Text:
    """A parsed text. `place` is where its first character stands in its file."""

    __slots__ = ("_parsed", "place", "source")

    def __init__(self, source: str, place: Place, *, is_html: bool = False) -> None:
        """Parse; raises `BadTemplate`. `is_html` escapes every value."""
        self.source, self.place = source, place
        if len(source) > SOURCE_LIMIT:
            raise BadTemplate(place, f"the template has {len(source)} characters", f"keep it under {SOURCE_LIMIT}")
        self._refuse_unclosed()
        try:
            self._parsed: BoundTemplate = (_HTML if is_html else _PLAIN).from_string(source)
        except LiquidError as error:
            raise self._bad(error) from None
        except RecursionError:
            raise BadTemplate(place, "the template is nested too deeply") from None

    def render(self, context: Mapping[str, Any]) -> str:
        """Return the text with values; a missing one is empty. Raises `BadTemplate` when a limit or filter says no."""
        try:
            return self._parsed.render(**context)
        except LiquidError as error:
            raise self._bad(error) from None
        except Exception as error:
            # Filters meet whatever a customer's traits hold; their own surprises are the template's problem.
            raise BadTemplate(self.place, f"cannot render: {type(error).__name__}: {error}") from error

    def _refuse_unclosed(self) -> None:
        """Find a tag that never ends before the parser does: its search for the end is quadratic."""
        for start, end in (("{{", "}}"), ("{%", "%}")):
            opened = self.source.rfind(start)
            if opened > self.source.rfind(end):
                raise BadTemplate(self._at(opened), f"'{start}' is never closed", f"write '{end}' after it")

    def _bad(self, error: LiquidError) -> BadTemplate:
        token = error.token
        if token is not None and token.start_index >= 0:
            return BadTemplate(self._at(token.start_index), str(error.message))
        opened = self._left_open()  # the parser met the end of the text: say where the block began
        return BadTemplate(self.place if opened is None else self._at(opened), str(error.message))

    def _left_open(self) -> int | None:
        blocks: list[tuple[str, int]] = []
        for tag in _TAG.finditer(self.source):
            if tag[1] in _BLOCKS:
                blocks.append((tag[1], tag.start()))
            elif blocks and tag[1] == f"end{blocks[-1][0]}":
                blocks.pop()
        return blocks[-1][1] if blocks else None

    def _at(self, index: int) -> Place:
        before = self.source[:index]
        lines = before.count("\n")
        column = index - before.rfind("\n") if lines else self.place.column + index
        return Place(self.place.file, self.place.line + lines, column)
