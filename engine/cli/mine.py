"""`journeyd mine`: what a model reads out of customers' past, written as tags that journeys can ask for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from engine.cli.invocation import AsJson, Invocation
from engine.cli.output import aside, emit, remark, tell
from engine.core.errors import BadInput

if TYPE_CHECKING:
    from engine.bootstrap.logged import Source
    from engine.bootstrap.mining import Past
    from engine.bootstrap.workspace import Workspace
    from engine.cli.mine_asked import Asked, Findings
    from engine.mining.verdicts import Mined

Model = Literal["rfm", "churn", "affinity", "next-best"]
Said = list[str] | None


def mine(
    ctx: typer.Context,
    model: Annotated[Model, typer.Argument(metavar="MODEL", help="rfm, churn, affinity or next-best.")],
    *,
    event: Annotated[str, typer.Option(help="The event that counts.")] = "order_paid",
    value: Annotated[str, typer.Option(metavar="PROPERTY", help="rfm, churn: what the event is worth.")] = "",
    of: Annotated[str, typer.Option(metavar="PROPERTY", help="affinity, next-best: a category; an item.")] = "",
    within: Annotated[str, typer.Option(metavar="DAYS", help="churn: nothing bought within, like 30d.")] = "",
    learn: Annotated[str, typer.Option(metavar="HOW", help="churn: logistic or boosting.")] = "",
    bands: Annotated[str, typer.Option(metavar="FROM,FROM", help="churn: medium and high, like 0.4,0.7.")] = "",
    share: Annotated[str, typer.Option(metavar="SHARE", help="affinity: a liking from here on, like 30%.")] = "",
    since: Annotated[str, typer.Option(help="Only what happened since: 365d, or a date.")] = "",
    every: Annotated[str, typer.Option(help="How often you mine: tags last twice as long.")] = "7d",
    lasts: Annotated[str, typer.Option("--for", help="How long the tags last, like 30d.")] = "",
    trigger: Annotated[bool, typer.Option("--trigger", help="Journeys that enter on the tags start.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="churn: write even if it is no better than chance.")] = False,
    history: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="JSON lines or CSV, .gz too; else the log.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="The files are CSV; every row is the event.")] = False,
    map_: Annotated[Said, typer.Option("--map", metavar="KIND=COLUMN", help="CSV: an identifier.")] = None,
    at: Annotated[str, typer.Option(metavar="COLUMN", help="CSV: when it happened.")] = "",
    zone: Annotated[str, typer.Option(help="CSV: time zone of times that name none.")] = "UTC",
    id_: Annotated[str, typer.Option("--id", metavar="COLUMN", help="CSV: unique id of the row.")] = "",
    set_: Annotated[Said, typer.Option("--set", metavar="NAME=COLUMN:TYPE", help="CSV: a property.")] = None,
    delimiter: Annotated[str, typer.Option(help="CSV: what stands between cells.")] = ",",
    as_json: AsJson = False,
) -> None:
    """Score customers by their past and tag them: rfm, churn, affinity (what they like), next-best (what to offer)."""
    from engine.cli.csv_shape import columns_of
    from engine.cli.mine_asked import asked_of
    from engine.cli.past_files import source_of
    from engine.cli.who import naming_of

    invocation: Invocation = ctx.obj
    said = {"value": value, "of": of, "within": within, "learn": learn, "bands": bands, "share": share}
    asked = asked_of(model, event, said, since=since, every=every, lasts=lasts)
    if not as_csv and (map_ or at or id_ or set_):
        raise BadInput("A mapping is for CSV files", "Add --csv")
    workspace, shape = invocation.workspace(), None
    if as_csv:
        mapping = {"map": map_, "set": set_}
        shape = columns_of(mapping, event=event, at=at, id_=id_, zone=zone, kinds=naming_of(workspace).kinds)
    source = source_of(workspace, history, shape, delimiter)
    mining = _Mining(invocation, workspace, asked, source, as_json=as_json)
    mining.run(is_backfill=not trigger, is_dry=dry, is_forced=anyway)


class _Mining:
    """One run of one model over one workspace."""

    def __init__(
        self, invocation: Invocation, workspace: "Workspace", asked: "Asked", source: "Source", *, as_json: bool
    ) -> None:
        from engine.runtime.clock import SystemClock

        self._invocation, self._workspace, self._asked, self._source = invocation, workspace, asked, source
        self._as_json = as_json
        self._now = SystemClock().now()
        self._audience = workspace.audience()
        rules = self._audience.tags.items()
        self._declared = frozenset(name for name, rule in rules if rule.mined == asked.model)

    def run(self, *, is_backfill: bool, is_dry: bool, is_forced: bool) -> None:
        """Read, score, show, and write unless it is a dry run or the model says nothing."""
        found = self._find()
        mined = found.mined
        shown: dict[str, Any] = {**found.shown(), "undeclared": self._undeclared(mined), "written": 0, "through": ""}
        if not self._as_json:
            self._show(found)
        is_useless = found.judgement is not None and not found.judgement.is_better
        if not is_dry and not (is_useless and not is_forced):
            shown |= self._write(mined, is_backfill=is_backfill)
        if self._as_json:
            emit(shown)
        if is_useless and not is_forced:
            remark(
                self._invocation.say(
                    "The model is no better than guessing the base rate: no tag is written. To write all the same, "
                    "add --anyway",
                    "该模型并不比只猜基准比率更好：未写入任何标签。若仍要写入，请加 --anyway",
                )
            )
            raise typer.Exit(1)

    # --- reading

    def _find(self) -> "Findings":
        from engine.bootstrap.mining import Past
        from engine.cli.instants import shown_zone
        from engine.cli.mine_words import tell_trimmed

        zone = shown_zone(self._workspace.settings)
        trimmed = getattr(self._source, "trimmed", 0)
        if not self._as_json:
            tell_trimmed(trimmed, self._invocation.say)  # said first: it may be why there is nothing to read
        with ExitStack() as stack:
            store = None
            if self._workspace.is_lived_in():
                store = stack.enter_context(closing(self._workspace.read_store()))
            since = self._asked.since_of(self._now, zone)
            past = Past(self._source, store, self._audience.identity, since, self._now)
            with self._progress(past) as page_done:
                found = self._asked.find(past, page_done, zone)
        return found.with_losses(self._source.refused, trimmed)

    @contextmanager
    def _progress(self, past: "Past") -> Iterator[Callable[[], None]]:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        events = TextColumn("{task.fields[events]:,} " + self._invocation.say("events", "事件"))
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), events, TimeRemainingColumn())
        with Progress(*columns, console=aside(), transient=True, disable=self._as_json) as shown:
            words = self._invocation.say("reading the past", "读取历史")
            task = shown.add_task(words, total=self._source.size or None, events=0)
            yield lambda: shown.update(
                task, completed=min(self._source.done, self._source.size or self._source.done), events=past.heard
            )

    # --- showing

    def _undeclared(self, mined: "Mined") -> list[str]:
        return sorted({verdict.tag for verdict in mined.verdicts.values()} - self._declared)

    def _show(self, found: "Findings") -> None:
        from engine.cli.instants import shown_zone
        from engine.cli.mine_words import examples, tell_examples, tell_judgement, tell_past, tell_tags

        say = self._invocation.say
        tell_past(found.seen, shown_zone(self._workspace.settings), say)
        for fault in self._source.faults:
            remark(say(f"Left out: {fault}", f"已略过：{fault}"))
        if found.judgement is not None:
            tell_judgement(found.judgement, say)
        tell_tags(found.mined, self._declared, say)
        chosen = examples(found.mined)
        tell_examples(chosen, self._names([id_ for id_, _ in chosen]), say)

    def _names(self, ids: list[str]) -> dict[str, str]:
        """Return customer -> how people know them."""
        if not self._workspace.is_lived_in():
            return {}
        kinds = [rule.kind for rule in self._audience.identity.kinds]
        with closing(self._workspace.read_store()) as store:
            known = store.customers(ids)
        return {
            id_: next((f"{kind}:{value}" for kind in kinds if (value := customer.address(kind))), id_)
            for id_, customer in known.items()
        }

    # --- writing

    def _write(self, mined: "Mined", *, is_backfill: bool) -> dict[str, Any]:
        from rich.progress import Progress

        from engine.bootstrap.mining import Handout, words
        from engine.cli.mine_delivery import hand_over
        from engine.runtime.clock import mint_id

        self._check_declared(mined)
        terms = self._asked.terms(mined.version, self._declared, self._now)
        handout = Handout(self._now, mint_id(), is_backfill)
        counts = {"written": 0, "given": 0, "taken": 0}
        with closing(self._workspace.read_store()) as store, Progress(
            console=aside(), transient=True, disable=self._as_json
        ) as progress:  # fmt: skip
            task = progress.add_task(self._invocation.say("writing tags", "写入标签"), total=store.counts().customers)

            def events() -> Iterator[Any]:
                for word in words(store, mined, terms, handout, self._audience.identity):
                    progress.advance(task)
                    if word is not None:
                        counts["given"] += sum(mark is not None for mark in word.tags.values())
                        counts["taken"] += sum(mark is None for mark in word.tags.values())
                        yield word

            def done(number: int) -> None:
                counts["written"] += number

            through = hand_over(self._workspace, events(), done)
        self._tell_written(counts, through, terms.until)
        return {**counts, "until": terms.until, "through": through}

    def _check_declared(self, mined: "Mined") -> None:
        from engine.cli.mine_words import lines_to_add

        missing = [tag for tag, _ in mined.counts() if tag not in self._declared][:10]
        if not self._declared:
            raise BadInput(
                f"audience/tags.yaml declares no tag of the model {mined.model}",
                "Add those that journeys and segments are to ask for, under tags:\n"
                + lines_to_add(mined.model, missing),
            )
        if missing and not self._as_json:
            remark(
                self._invocation.say(
                    "Not written, since audience/tags.yaml does not declare them; add what you want to ask for:",
                    "以下标签未在 audience/tags.yaml 中声明，未写入；需要时请添加：",
                )
            )
            remark(lines_to_add(mined.model, missing))

    def _tell_written(self, counts: dict[str, int], through: str, until: int) -> None:
        from engine.cli.instants import shown_zone
        from journeys.words.phrases import counted, instant

        if self._as_json:
            return
        end = instant(until, shown_zone(self._workspace.settings))
        given, taken = counts["given"], counts["taken"]
        tell(
            self._invocation.say(
                f"{counted(given, 'tag')} given until {end}, {taken:,} taken back",
                f"写入标签 {given:,}（有效至 {end}），收回 {taken:,}",
            )
        )
        if through == "log":
            remark(
                self._invocation.say(
                    "No daemon runs: customers carry the tags from its next start",
                    "守护进程未运行：标签将在下次启动后生效",
                )
            )
