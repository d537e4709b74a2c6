"""What a journey's steps have seen so far, as figures and in words: the counts of `journeyd diagram --counts`.

The figures are gathered in `engine/bootstrap/step_counts.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.plan import Node, Plan, Send, Task, Webhook
from journeys.words.phrases import outcome_in_words


@dataclass(frozen=True)
class StepCount:
    """Runs standing at a step now; and of its messages how many were planned, sent and so on, people's clicks only."""

    standing: int = 0
    planned: int = 0
    sent: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    unsent: int = 0


@dataclass(frozen=True)
class JourneyCount:
    """A journey's figures over all its versions. `outcomes`: how ended runs ended.

    `elsewhere` are runs standing at steps that the drawn version does not have; `is_partial` when there are more
    messages than were counted.
    """

    steps: Mapping[str, StepCount] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    converted: int = 0
    is_partial: bool = False

    @property
    def entered(self) -> int:
        """Runs that ever began, as far as the store keeps them."""
        return sum(count.standing for count in self.steps.values()) + self.elsewhere + sum(self.outcomes.values())


def marks_of(plan: Plan, counts: JourneyCount, lang: str = "en") -> dict[str, str]:
    """Return a line of figures per step id, and under "" that of the entrance; steps without any have none."""
    marks = {"": f"{counts.entered:,} 进入" if lang == "zh" else f"{counts.entered:,} entered"}
    for node in plan.nodes:
        said = _mark(node, counts.steps.get(node.id, StepCount()), lang)
        if said:
            marks[node.id] = said
    return marks


def _mark(node: Node, count: StepCount, lang: str) -> str:
    figures = [(count.standing, "here", "停留")]
    if isinstance(node, Send | Task | Webhook):
        figures += [
            (count.sent, "sent", "已发送"),
            (count.delivered, "delivered", "送达"),
            (count.opened, "opened", "打开"),
            (count.clicked, "clicked", "点击"),
            (count.planned, "to come", "待发送"),
            (count.unsent, "not sent", "未发送"),
        ]
    return " · ".join(f"{number:,} {zh if lang == 'zh' else en}" for number, en, zh in figures if number)


def endings(counts: JourneyCount, lang: str = "en") -> str:
    """Return how runs ended, in one line; "" when none has.

    >>> endings(JourneyCount(outcomes={"completed": 3, "exited:event": 1}))
    '3 completed · 1 left on an event'
    """
    said = [
        f"{number:,} {outcome_in_words(outcome, lang)}"
        for outcome, number in sorted(counts.outcomes.items(), key=lambda one: -one[1])
    ]
    if counts.converted:
        said.append(f"{counts.converted:,} {'转化' if lang == 'zh' else 'converted'}")
    if counts.elsewhere:
        said.append(f"{counts.elsewhere:,} {'在旧版本的步骤' if lang == 'zh' else 'at steps of other versions'}")
    return " · ".join(said)
