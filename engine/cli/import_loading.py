"""One import from its files to the log: rows are read, understood, checked as the daemon checks, and handed over.

Flat in memory: a batch at a time. Called by `imports.py`; `Loading.run` does it, `Loading.look` is the dry run.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from engine.cli import import_mapping as mapping
from engine.cli.import_delivery import BATCH, BATCH_BYTES, Delivery, Named, leavers, off_the_list, source_of
from engine.cli.import_messages import Message, Rows, Task
from engine.cli.import_rejects import Rejects
from engine.cli.import_survey import Survey
from engine.cli.import_tables import Row, Table, open_table
from engine.cli.output import aside
from engine.cli.rows import event_of
from engine.core.errors import BadInput, BadSetting
from engine.core.events import Event
from engine.core.ids import SECOND, derive
from engine.http.naming import Naming
from engine.runtime.clock import SystemClock, mint_id

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace

SHOWN: Final = 5
"""Rows that a dry run shows as they were understood."""

_TICK: Final = 1_000


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How files are read: what is imported, the mapping (None: guessed), how many lines may be wrong.

    `lang` is the language in which the file of refused lines says why.
    """

    task: Task
    said: mapping.Mapping | None = None
    zone: str = "UTC"
    encoding: str = ""
    delimiter: str = ""
    most_refused: int = 10_000
    lang: str = "en"


@dataclass(frozen=True)
class Understood:
    """A row and the messages it makes, each with its event."""

    row: Row
    messages: list[Message]
    events: list[Event]


class Loading:
    """One import. Counts what it reads, takes and refuses; `forms`: how each file was understood."""

    def __init__(self, workspace: "Workspace", files: Sequence[Path], reading: Reading, rejects: Path) -> None:
        self._workspace, self._files, self._reading = workspace, files, reading
        self._identity = workspace.audience().identity
        self._naming = Naming.of(self._identity, workspace.settings.default_region)
        self._source = source_of(workspace)
        self._now = SystemClock().now()
        self._rejects = Rejects(rejects, reading.lang)
        self._progress, self._bar = Progress(), TaskID(0)
        self._columns: tuple[str, ...] = ()
        self._file = ""
        self.mapping = reading.said
        self.forms: list[str] = []
        self.read = self.taken = self.serials = self.removed = 0
        self.through = ""

    # --- what it does

    def look(self, *, quiet: bool) -> tuple[dict[str, int], list[Understood]]:
        """Read everything and hand nothing over; return what it would do, and the first rows as understood."""
        shown: list[Understood] = []
        with closing(self._workspace.read_store()) if self._is_lived_in() else _nobody() as store:
            survey = Survey(store, self._identity)
            for batch in self._batches(quiet):
                shown += batch[: SHOWN - len(shown)]
                survey.look([one.events[0] for one in batch])
                self.taken += sum(len(one.events) for one in batch)
        return survey.counts(), shown

    def run(self, *, is_replacing: bool, quiet: bool) -> None:
        """Read everything and hand it over; with `is_replacing` take those off the list who are not in the files."""
        named = Named()
        with Delivery(self._workspace) as way:
            self.through = way.through
            for batch in self._batches(quiet):
                self._hand_over(way, batch)
                if is_replacing:
                    for one in batch:
                        named.add(one.events[0])
            if is_replacing and self._is_lived_in():
                self._take_off(way, named)

    def summary(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        refused = self._rejects.count
        return {
            "read": self.read,
            "taken": self.taken,
            "refused": refused,
            "rejects": str(self._rejects.path) if refused else "",
            "through": self.through,
            "files": self.forms,
            "excel_dates": self.serials,
            "removed": self.removed,
        }

    @property
    def refused(self) -> int:
        """How many lines were refused."""
        return self._rejects.count

    # --- reading

    def guess(self) -> mapping.Mapping | None:
        """Return what the first file's columns seem to mean; None for messages of the API."""
        what, columns = self._reading.task.what, self.columns()
        if what == "history" and "type" in columns:
            return None
        return mapping.guessed(columns, zone=self._reading.zone, what=what)

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the first file."""
        reading = self._reading
        with open_table(self._files[0], encoding=reading.encoding, delimiter=reading.delimiter) as table:
            return table.columns

    def _batches(self, quiet: bool) -> Iterator[list[Understood]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
        )
        try:
            with Progress(*columns, console=aside(), disable=quiet, transient=True) as self._progress:
                for path in self._files:
                    yield from self._of_file(path)
        finally:
            self._rejects.close()

    def _of_file(self, path: Path) -> Iterator[list[Understood]]:
        reading = self._reading
        with open_table(path, encoding=reading.encoding, delimiter=reading.delimiter) as table:
            self._bar = self._progress.add_task(table.name, total=table.size or None, told="")
            self._file, self._columns = table.name, table.columns
            self.forms.append(f"{table.name}: {table.form}")
            run = str(self._now) if reading.task.what == "list" else ""
            task = msgspec.structs.replace(reading.task, file=table.name, as_of=self._as_of(path), run=run)
            rows = Rows(task, self._mapping(table), self._naming)
            batch: list[Understood] = []
            size = 0
            for one in self._understood(table, rows):
                weight = sum(len(msgspec.json.encode(message)) + 1 for message in one.messages)
                if batch and (len(batch) + len(one.messages) > BATCH or size + weight > BATCH_BYTES):
                    yield batch
                    batch, size = [], 0
                batch.append(one)
                size += weight
            if batch:
                yield batch
            self.serials += rows.serials

    def _understood(self, table: Table, rows: Rows) -> Iterator[Understood]:
        is_told = self._reading.task.what == "history" and "type" in table.columns
        for row in table.rows:
            self.read += 1
            if self.read % _TICK == 0:
                self._tell(table)
            try:
                if row.fault is not None:
                    raise row.fault
                messages = [self._told(row)] if is_told else rows.messages(row.cells, row.number)
                events = [self._event(message) for message in messages]
            except BadInput as why:
                self._refuse(row, why)
            else:
                yield Understood(row, messages, events)

    def _told(self, row: Row) -> Message:
        """Return a row that is a message of the API already."""
        message = {name: value for name, value in row.cells.items() if value is not None}
        message.setdefault("messageId", derive("import", "history", row.number, row.text))
        if self._reading.task.is_backfill:
            message["backfill"] = True
        return message

    def _event(self, message: Message) -> Event:
        return event_of(message, source=self._source, naming=self._naming, now=self._now)

    def _mapping(self, table: Table) -> mapping.Mapping:
        what = self._reading.task.what
        if what == "history" and "type" in table.columns and self._reading.said is None:
            return mapping.Mapping(())
        found = self._reading.said or mapping.guessed(table.columns, zone=self._reading.zone, what=what)
        self.mapping = found
        check(found, table, what, self._naming)
        return found

    def _as_of(self, path: Path) -> str:
        """Return when the file was written: what it says is as old, and newer words stand."""
        at = self._now / SECOND if str(path) == "-" else min(path.stat().st_mtime, self._now / SECOND)
        return datetime.fromtimestamp(at, UTC).isoformat()

    def _tell(self, table: Table) -> None:
        spent = self._progress.tasks[self._bar].elapsed or 0.0
        rate = f", {self.read / spent:,.0f}/s" if spent else ""
        told = f"{self.read:,}{rate}, {self._rejects.count:,} refused"
        self._progress.update(self._bar, completed=table.place(), told=told)

    def _refuse(self, row: Row, why: BadInput) -> None:
        cells = row.cells or dict.fromkeys(self._columns[:1], row.text)
        self._rejects.add(self._file, row.number, why, self._columns, cells)
        if self._rejects.count >= self._reading.most_refused:
            raise BadInput(
                f"{self._file}: stopped at line {row.number}, {self._rejects.count:,} lines were refused",
                f"See {self._rejects.path}. Mend the mapping or the file, or allow more with --most-refused",
            )

    # --- handing over

    def _hand_over(self, way: Delivery, batch: Sequence[Understood]) -> None:
        owners = [one.row for one in batch for _ in one.messages]
        messages = [message for one in batch for message in one.messages]
        events = [event for one in batch for event in one.events]
        self.taken += way.take(messages, events, lambda place, why: self._refuse(owners[place], why))

    def _take_off(self, way: Delivery, named: Named) -> None:
        name, now = self._reading.task.name, datetime.fromtimestamp(self._now / SECOND, UTC).isoformat()
        kinds = [rule.kind for rule in self._identity.kinds]
        messages: list[Message] = []
        with closing(self._workspace.read_store()) as store:
            for identifiers in leavers(store, name, named, kinds, self._now):
                if identifiers:
                    message = {**off_the_list(name, identifiers, now), "messageId": mint_id()}
                    messages.append({**message, "backfill": self._reading.task.is_backfill})
        for start in range(0, len(messages), BATCH):
            some = messages[start : start + BATCH]
            self.removed += way.take(some, [self._event(one) for one in some], _never_refused)

    def _is_lived_in(self) -> bool:
        return self._workspace.is_lived_in()


def check(found: mapping.Mapping, table: Table, what: str, naming: Naming) -> None:
    """Refuse a mapping that names no column of the file, or nobody; raises `BadInput`."""
    shown = ", ".join(column for column in table.columns if column) or "none"
    for field in found.fields:
        if field.column not in table.columns:
            raise BadInput(f"{table.name} has no column {field.column}", f"Its columns are {shown}")
    kinds = [field for field in found.fields if field.name in naming.kinds]
    if not kinds and not (what == "accounts" and found.named(mapping.MEMBERS)):
        remedy = f'Say which column names the customer, like --map "{table.columns[0]}=phone". Its columns are {shown}'
        raise BadInput(f"{table.name}: no column names anybody", remedy)
    if what == "accounts" and not found.named(mapping.ACCOUNT):
        raise BadInput(f"{table.name}: no column is the account's id", f"Map one to account. Its columns are {shown}")


@contextmanager
def _nobody() -> Iterator[None]:
    """Stand in for a store that is not there yet."""
    yield None


def _never_refused(_place: int, why: BadInput) -> None:
    raise BadSetting(f"Nobody was taken off the list: {why}")
