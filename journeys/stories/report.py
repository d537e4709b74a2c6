"""A story report as text for the terminal and as JUnit XML for a build server. Called by `journeyd test`."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from journeys.road import label_in
from journeys.stories.coverage import Way
from journeys.story import StoryReport, StoryResult
from journeys.words.phrases import counted

MAX_TRACE: Final = 30
"""Lines of trace shown under a failed story; the newest are kept."""

_NEVER: Final = {
    "arm": ("arm `{name}` is never travelled", "分支 `{name}` 从未走过"),
    "wait for": ("`{name}` of the wait for is never travelled", "等待的 `{name}` 从未走过"),
    "part": ("nobody ever hears `{name}` here", "从未等到 `{name}`"),
    "wait while": ("`{name}` of the wait while is never travelled", "等待条件的 `{name}` 从未走过"),
    "repeat": ("`{name}` of the repeat is never travelled", "重复的 `{name}` 从未走过"),
    "coupon": ("`{name}` of the coupon is never travelled", "优惠券的 `{name}` 从未走过"),
    "if": ("way {name} of the condition is never travelled", "条件的 {name} 分支从未走过"),
}


def render(report: StoryReport, lang: str = "en") -> str:
    """Return the report as plain text, ending with a newline: complaints, stories, coverage."""
    lines = [str(problem.in_language(lang)) for problem in report.problems]
    for result in report.results:
        lines += _story(result, lang)
    if report.coverage is not None and report.results:
        lines += _coverage(report, lang)
    return "\n".join(lines) + "\n"


def summary(reports: Sequence[StoryReport], lang: str = "en") -> str:
    """Return the closing line: how many stories, how many failed, how many files could not be read.

    >>> summary([])
    '0 stories, 0 failed'
    """
    results = [result for report in reports for result in report.results]
    failed = sum(not result.passed for result in results)
    unread = sum(not report.results and not report.passed for report in reports)
    if lang == "zh":
        return f"{len(results)} 个故事，{failed} 个失败" + (f"，{unread} 个文件无法读取" if unread else "")
    told = f"{counted(len(results), 'story', 'stories')}, {failed} failed"
    return told + (f", {counted(unread, 'file')} not readable" if unread else "")


def junit(reports: Iterable[StoryReport]) -> str:
    """Return the reports as JUnit XML: a suite per journey, a case per story, complaints as an error."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for report in reports:
        broken = [str(problem) for problem in report.problems if problem.severity == "error"]
        failed = sum(not result.passed for result in report.results)
        counts = f'tests="{len(report.results) + bool(broken)}" failures="{failed}" errors="{int(bool(broken))}"'
        lines.append(f'  <testsuite name="{_xml(report.journey or report.file)}" {counts}>')
        if broken:
            body = _xml("\n".join(broken))
            lines.append(f'    <testcase name="reads" classname="{_xml(report.file)}"><error>{body}</error></testcase>')
        lines += [line for result in report.results for line in _case(result, report)]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def _story(result: StoryResult, lang: str) -> list[str]:
    if result.passed:
        return [f"  ✓ {result.name}"]
    zh = lang == "zh"
    lines = [f"  ✗ {result.name}"]
    for failure in result.failures:
        lines.append(f"      {failure.place}")
        lines.append(f"      {'期望' if zh else 'expected'}: {failure.expected}")
        lines.append(f"      {'实际' if zh else 'happened'}: {failure.happened}")
    lines += [f"      {line}" for line in result.diff]
    lines.append(f"      {'经过' if zh else 'trace'}:")
    return lines + [f"        {line}" for line in result.trace[-MAX_TRACE:]]


def _coverage(report: StoryReport, lang: str) -> list[str]:
    coverage, zh = report.coverage, lang == "zh"
    assert coverage is not None
    head = f"{coverage.share:.0%} ({len(coverage.travelled)}/{len(coverage.steps)})"
    lines = [f"  {'步骤覆盖率' if zh else 'steps travelled'}: {head}"]
    if coverage.ways:
        taken = len(coverage.ways) - len(coverage.missed_ways)
        head = f"{coverage.branch_share:.0%} ({taken}/{len(coverage.ways)})"
        lines.append(f"  {'分支覆盖率' if zh else 'branches taken'}: {head}")
    for step in coverage.missed_steps:
        lines.append(f"    {'步骤' if zh else 'step'} {step} {'从未走过' if zh else 'is never travelled'}")
    return lines + [f"    {_never(way, lang)}" for way in coverage.missed_ways]


def _never(way: Way, lang: str) -> str:
    name = way.name if way.kind in {"arm", "part", "if"} else label_in(way.name, lang)
    said = _NEVER[way.kind][lang == "zh"].format(name=name)
    return f"{way.step}: {said}"


def _case(result: StoryResult, report: StoryReport) -> list[str]:
    head = f'    <testcase name="{_xml(result.name)}" classname="{_xml(report.journey)}"'
    if result.passed:
        return [head + "/>"]
    message = "; ".join(f"expected {failure.expected}" for failure in result.failures)
    told = [
        f"{failure.place}\nexpected: {failure.expected}\nhappened: {failure.happened}" for failure in result.failures
    ]
    body = _xml("\n".join([*told, *result.diff, *result.trace]))
    return [f'{head}><failure message="{_xml(message)}">{body}</failure></testcase>']


def _xml(text: str) -> str:
    """XML has no place for most control characters, not even as entities: leave them out."""
    return escape("".join(c for c in text if c in "\n\t" or (c.isprintable() and not "\ud800" <= c <= "\udfff")))
