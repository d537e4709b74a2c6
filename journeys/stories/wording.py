"""What can be wrong in a story file: codes S0xx, each with its sentence and its remedy, in English and Chinese.

Made by `stories/syntax.py`, printed by `journeyd test` and `journeyd lint` beside the journeys' own complaints.
"""

from typing import Any, Final, Literal

from journeys.condition_wording import Words
from journeys.problems import Problem

CODES: Final[dict[str, Words]] = {
    "S001": Words("error", "unknown key `{key}`", "Known here: {known}", "未知的键 `{key}`", "这里可用：{known}"),
    "S002": Words(
        "error",
        "this line of `happens` cannot be read: {found}",
        "Write `2026-03-01 20:10: order_paid {{total: 260}}`, `+30m: order_paid` or `+2d`",
        "happens 的这一行无法读取：{found}",
        "请写 `2026-03-01 20:10: order_paid {{total: 260}}`、`+30m: order_paid` 或 `+2d`",
    ),
    "S003": Words(
        "error",
        "`{found}` is not a time of a story",
        "Write `2026-03-01 20:10` (the customer's wall clock) or `+30m`, `+2d`, `+1mo` after the line before",
        "`{found}` 不是有效的时间",
        "请写 `2026-03-01 20:10`（客户当地时间），或相对上一行的 `+30m`、`+2d`、`+1mo`",
    ),
    "S004": Words(
        "error",
        "this line is earlier than the one before it",
        "Put the lines of `happens` in the order of time",
        "这一行早于上一行",
        "请按时间先后排列 happens",
    ),
    "S005": Words(
        "error",
        "this expectation cannot be read: {found}",
        "Write one of: {known}",
        "无法读取的期望：{found}",
        "可以写：{known}",
    ),
    "S006": Words(
        "error", "there is no {what} `{name}`", "Known: {known}", "没有名为 `{name}` 的 {what}", "可用：{known}"
    ),
    "S007": Words(
        "error",
        "`{key}` must be {expected}, not {found}",
        "Correct the value of `{key}`",
        "`{key}` 应为 {expected}，而不是 {found}",
        "请改正 `{key}` 的值",
    ),
    "S008": Words("error", "`{key}` is missing or empty", "Add `{key}:`", "缺少 `{key}` 或为空", "请补上 `{key}:`"),
    "S009": Words(
        "error",
        "the first line of `happens` needs a date",
        "Begin with `2026-03-01 20:10: ...`",
        "happens 的第一行需要日期",
        "请以 `2026-03-01 20:10: ...` 开头",
    ),
    "S010": Words(
        "error",
        "two stories are called `{name}`",
        "Give each story its own name",
        "有两个故事都叫 `{name}`",
        "请为每个故事取不同的名字",
    ),
}


class StoryProblem(Problem):
    """A complaint about a story file; told and shown like any other `Problem`."""

    __slots__ = ()

    @property
    def severity(self) -> Literal["error", "warning"]:
        """An error: the story is not run."""
        return CODES[self.code].severity

    @property
    def message(self) -> str:
        """What is wrong, in the problem's language."""
        words = CODES[self.code]
        return (words.zh if self.lang == "zh" else words.en).format_map(_clipped(self.data))

    @property
    def remedy(self) -> str:
        """What to write instead, in the problem's language."""
        words = CODES[self.code]
        return (words.zh_remedy if self.lang == "zh" else words.en_remedy).format_map(_clipped(self.data))


def _clipped(data: Any) -> dict[str, str]:
    texts = {name: str(value) for name, value in data.items()}
    return {name: text if len(text) <= 200 else text[:197] + "..." for name, text in texts.items()}
