"""Step forms -> the nodes of a plan, linked by ids. Called by `compile.py` only.

A step's id is its path, counted from 1 ("3", "3.then.1", "4.arms.a.2", "5.2.1" inside the second choice), or the
marketer's own `id:`. A block's last step leads to what follows the block.
"""

from typing import Final, Literal

from engine.core import plan
from engine.core.errors import Place
from engine.core.expression import Expr
from engine.core.plan import Node
from journeys.forms.actions import (
    Action,
    DateForm,
    LeaveForm,
    SendForm,
    SetForm,
    StartForm,
    StopForm,
    TagStepForm,
    TaskStepForm,
    WaitForm,
    WaitUntilForm,
    WebhookStepForm,
)
from journeys.forms.steps import (
    AllForm,
    AnyForm,
    AnyStep,
    ChooseForm,
    CouponForm,
    IfForm,
    OneForm,
    RepeatForm,
    SplitForm,
    Steps,
    WaitForForm,
    WaitWhileForm,
)
from journeys.positions import Document, Path
from journeys.problems import Problem

MAX_STEPS: Final = 1_000


class StepCompiler:
    """Compiles the steps of one journey; `places` and `problems` fill while it works."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes: list[Node] = []
        self.places: dict[str, Place] = {}
        self.problems: list[Problem] = []

    def compile(self, steps: Steps) -> tuple[Node, ...]:
        """Return the nodes, the first step first."""
        self._block(steps, prefix="", path=("steps",), follow="")
        if len(self.nodes) > MAX_STEPS:
            self.problems.append(Problem("J079", self.document.place(("steps",)), {"limit": f"{MAX_STEPS:,}"}))
        return tuple(self.nodes)

    def _block(self, steps: Steps, *, prefix: str, path: Path, follow: str) -> str:
        """Compile a list of steps and return the id of its first, or `follow` when it is empty."""
        ids = [step.id or f"{prefix}{number}" for number, step in enumerate(steps, 1)]
        for index, (step, id_) in enumerate(zip(steps, ids, strict=True)):
            place = self.document.place((*path, index))
            if id_ in self.places:
                self.problems.append(Problem("J071", place, {"id": id_}))
            self.places.setdefault(id_, place)
            following = ids[index + 1] if index + 1 < len(ids) else follow
            at = len(self.nodes)
            self.nodes.append(plan.Stop(id_))  # keeps the place: a node stands before the nodes inside it
            self.nodes[at] = self._node(step, id_, (*path, index), following)
        return ids[0] if ids else follow

    def _node(self, step: AnyStep, id_: str, path: Path, following: str) -> Node:
        match step:
            case WaitForForm():
                then, otherwise = self._ways(step.then, step.otherwise, id_, path, following)
                return _waits(step, id_, then, otherwise)
            case WaitWhileForm():
                then, otherwise = self._ways(step.then, step.otherwise, id_, path, following)
                return plan.WaitWhile(id_, step.when, step.within, then, otherwise)
            case IfForm():
                then, otherwise = self._ways(step.then, step.otherwise, id_, path, following)
                return plan.Branch(id_, ((step.when, then),), otherwise)
            case ChooseForm():
                return self._choose(step, id_, path, following)
            case SplitForm():
                return self._split(step, id_, path, following)
            case RepeatForm():
                rounds = step.repeat
                body = self._block(step.steps, prefix=f"{id_}.", path=(*path, "steps"), follow=id_)
                return plan.Repeat(id_, rounds.every, rounds.times, rounds.until, body, following)
            case CouponForm():
                empty = None if step.otherwise is None else self._inner(step.otherwise, id_, "else", path, following)
                return plan.Coupon(id_, step.coupon, empty, following)
            case _:
                return _action(step, id_, following)

    def _ways(self, then: Steps, otherwise: Steps, id_: str, path: Path, following: str) -> tuple[str, str]:
        """Compile both blocks of a step with two ways on; return the ids that they begin with."""
        return (
            self._inner(then, id_, "then", path, following),
            self._inner(otherwise, id_, "else", path, following),
        )

    def _inner(self, steps: Steps, id_: str, word: str, path: Path, following: str) -> str:
        return self._block(steps, prefix=f"{id_}.{word}.", path=(*path, word), follow=following)

    def _choose(self, step: ChooseForm, id_: str, path: Path, following: str) -> plan.Branch:
        arms: list[tuple[Expr, str]] = []
        otherwise = following
        for number, choice in enumerate(step.choose, 1):
            inner: Path = (*path, "choose", number - 1)
            if choice.when is not None:
                prefix = f"{id_}.{number}."
                first = self._block(choice.then or [], prefix=prefix, path=(*inner, "then"), follow=following)
                arms.append((choice.when, first))
                continue
            if number < len(step.choose):
                self.problems.append(Problem("J075", self.document.place(inner)))
            prefix = f"{id_}.else."
            otherwise = self._block(choice.otherwise or [], prefix=prefix, path=(*inner, "else"), follow=following)
        return plan.Branch(id_, tuple(arms), otherwise)

    def _split(self, step: SplitForm, id_: str, path: Path, following: str) -> plan.Split:
        place = self.document.key_place((*path, "arms"))
        if len(step.arms) < 2:
            self.problems.append(Problem("J074", place))
        self._check_shares(path, place)
        total = sum(arm.share for arm in step.arms.values()) or 1.0
        arms = []
        for name, arm in step.arms.items():
            inner: Path = (*path, "arms", name, "steps")
            first = self._block(arm.steps, prefix=f"{id_}.arms.{name}.", path=inner, follow=following)
            arms.append(plan.Arm(name, arm.share / total, first))
        winner = None if step.winner is None else plan.Winner(step.winner.by, step.winner.after)
        return plan.Split(id_, step.split, tuple(arms), winner)

    def _check_shares(self, path: Path, place: Place) -> None:
        """Percentages are a promise: they should add up. Plain numbers are weights."""
        shares = [arm.get("share") for arm in self.document.value((*path, "arms")).values()]
        if shares and all(isinstance(share, str) for share in shares):
            total = sum(float(share.rstrip(" %")) for share in shares)
            if abs(total - 100) > 0.01:
                self.problems.append(Problem("J073", place, {"total": f"{total:g}"}))


def _action(step: Action, id_: str, following: str) -> Node:
    """Return the node of a step without blocks."""
    match step:
        case WaitForm():
            return plan.Wait(id_, step.wait, following)
        case WaitUntilForm():
            return plan.WaitUntil(id_, _until(step), following)
        case SendForm():
            return _send(step, id_, following)
        case TagStepForm():
            tag = step.tag
            return plan.Tag(id_, tuple(tag.add), tuple(tag.remove), tag.lasts, following)
        case SetForm():
            return plan.Set(id_, step.set, following)
        case StartForm():
            return plan.Start(id_, step.start, step.variables, following)
        case LeaveForm():
            return plan.Leave(id_, step.leave, following)
        case TaskStepForm():
            task = step.task
            return plan.Task(id_, task.to, task.title, task.note, task.due, following)
        case WebhookStepForm():
            return plan.Webhook(id_, step.webhook.url, step.webhook.body, following)
        case StopForm():
            return plan.Stop(id_)


def _send(step: SendForm, id_: str, following: str) -> plan.Send:
    return plan.Send(
        id_,
        step.send,
        channels=tuple(dict.fromkeys(step.via)),
        variables=step.variables,
        expires=step.expires,
        next=following,
        role="" if step.to is None else step.to.role,
        purpose=step.purpose,
    )


def _waits(step: WaitForForm, id_: str, then: str, otherwise: str) -> plan.WaitFor:
    waits, count = step.awaited, 1
    need: Literal["any", "all"] = "any"
    match waits:
        case OneForm():
            awaited: tuple[plan.Awaited, ...] = (plan.Awaited(waits.on, waits.where),)
            count = waits.count
        case AllForm():
            awaited, need = tuple(plan.Awaited(one.on, one.where) for one in waits.all), "all"
        case AnyForm():
            awaited = tuple(plan.Awaited(one.on, one.where) for one in waits.any)
    return plan.WaitFor(id_, awaited, waits.within, need, count, waits.lookback, then, otherwise)


def _until(step: WaitUntilForm) -> plan.Daily | plan.OnDate:
    until = step.until
    hour, minute = until.at
    if isinstance(until, DateForm):
        return plan.OnDate(until.date, hour, minute, until.offset)
    return plan.Daily(hour, minute, until.weekday)
