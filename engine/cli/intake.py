"""Takes the lines of an import to where they go: the daemon in batches, or the past; refused ones into a file.

Called by `ingest.py`. Every line is checked here exactly as the daemon would check it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from engine.cli.csv_shape import CsvShape
from engine.cli.daemon import Daemon, address_of, refusal
from engine.cli.output import aside
from engine.cli.rows import Line, Opened, event_of, open_file, read_csv, read_json_lines
from engine.cli.who import naming_of
from engine.core.errors import BadInput, BadSetting
from engine.core.events import Event
from engine.runtime.clock import SystemClock

if TYPE_CHECKING:
    from engine.bootstrap.workspace import Workspace

BATCH_LINES: Final = 500
BATCH_BYTES: Final = 400_000


class Intake:
    """One import of some files into one workspace. `take` does it and returns the summary."""

    def __init__(
        self, workspace: "Workspace", files: Sequence[Path], shape: CsvShape | None, delimiter: str, rejects: Path
    ) -> None:
        self._workspace, self._files, self._shape, self._delimiter = workspace, files, shape, delimiter
        self._rejects_path = rejects
        self._rejects: IO[bytes] | None = None
        self._now = SystemClock().now()
        self._progress = Progress()
        self.read, self.taken, self.refused = 0, 0, 0

    def take(self, how: Literal["check", "daemon", "history"], *, backfill: bool, quiet: bool) -> dict[str, Any]:
        """Read everything and bring it there; return what `--json` prints."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        out = aside()
        with ExitStack() as stack:
            self._progress = stack.enter_context(Progress(*columns, console=out, disable=quiet, transient=True))
            stack.callback(self._close_rejects)
            pairs = self._checked(backfill)
            more: dict[str, Any] = {}
            match how:
                case "check":
                    self.taken = sum(1 for _ in pairs)
                case "daemon":
                    self._to_daemon(line for line, _ in pairs)
                case "history":
                    more["history"] = self._to_the_past([event for _, event in pairs], deliver=not backfill)
        rejects = str(self._rejects_path) if self.refused else ""
        return {"read": self.read, "taken": self.taken, "refused": self.refused, "rejects": rejects, **more}

    # --- reading

    def _checked(self, backfill: bool) -> Iterator[tuple[Line, Event]]:
        """Yield the lines that the daemon would take, each with its event; refuse the others."""
        naming = naming_of(self._workspace)
        for line in self._lines():
            self.read += 1
            if line.message is None:
                self._refuse(line, line.fault or BadInput("The line says nothing"))
                continue
            if backfill:
                line.message["backfill"] = True
            try:
                event = event_of(line.message, source="import", naming=naming, now=self._now)
            except BadInput as fault:
                self._refuse(line, fault)
            else:
                yield line, event

    def _lines(self) -> Iterator[Line]:
        for path in self._files:
            with open_file(path) as opened:
                task = self._progress.add_task(opened.name, total=opened.size or None)
                lines = read_json_lines(opened) if self._shape is None else self._rows(opened, self._shape)
                for number, line in enumerate(lines):
                    yield line
                    if number % 500 == 0:
                        self._progress.update(task, completed=opened.place())
                self._progress.update(task, completed=opened.size)

    def _rows(self, opened: Opened, shape: CsvShape) -> Iterator[Line]:
        return read_csv(opened, shape.message, shape.columns(), self._delimiter)

    def _refuse(self, line: Line, fault: BadInput) -> None:
        self.refused += 1
        if self._rejects is None:
            self._rejects = self._rejects_path.open("wb")
        shown = {
            "file": line.file,
            "line": line.number,
            "field": fault.field,
            "problem": fault.problem,
            "remedy": fault.remedy,
            "text": line.text,
        }
        self._rejects.write(msgspec.json.encode(shown) + b"\n")

    def _close_rejects(self) -> None:
        if self._rejects is not None:
            self._rejects.close()

    # --- to the running daemon

    def _to_daemon(self, lines: Iterator[Line]) -> None:
        keys = [key for key in self._workspace.settings.write_keys if key.scope == "server"]
        if not keys:
            raise BadSetting("journeyd.yaml has no write key of scope server. Add one under write_keys")
        with closing(Daemon(address_of(self._workspace), time.sleep)) as daemon:
            for batch in _batches(lines):
                self._post(daemon, keys[0].key.reveal(), batch)

    def _post(self, daemon: Daemon, key: str, batch: Sequence[Line]) -> None:
        """Post a batch; what the daemon refuses is set apart and the rest is posted again."""
        left = list(batch)
        while left:
            answer = daemon.post_batch(key, [line.message or {} for line in left])
            if answer.is_success:
                self.taken += len(left)
                return
            faults = faults_of(answer.json() if answer.status_code in {400, 403, 413} else {}, len(left))
            if not faults:
                raise refusal(answer)
            for index, fault in faults.items():
                self._refuse(left[index], fault)
            left = [line for index, line in enumerate(left) if index not in faults]

    # --- into the past

    def _to_the_past(self, events: list[Event], *, deliver: bool) -> dict[str, Any]:
        from engine.bootstrap.history import import_history
        from engine.telemetry import configure_logging

        configure_logging(level="warning", form="text")
        events.sort(key=lambda event: event.at)
        task: TaskID = self._progress.add_task("living through it", total=len(events))
        imported = import_history(
            self._workspace,
            events,
            progress=lambda done: self._progress.update(task, completed=done),
            deliver=deliver,
        )
        self.taken = imported.events
        shown: dict[str, Any] = msgspec.to_builtins(imported)
        return shown


def _batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        weight = len(msgspec.json.encode(line.message))
        if batch and (len(batch) >= BATCH_LINES or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += weight + 1
    if batch:
        yield batch


def faults_of(body: Any, count: int) -> dict[int, BadInput]:
    """Return place in the batch -> what is wrong, from the daemon's refusal."""
    found: dict[int, BadInput] = {}
    for fault in body.get("errors", []) if isinstance(body, dict) else []:
        place, _, field = str(fault.get("field", "")).partition("]")
        index = place.removeprefix("batch[")
        if index.isdigit() and int(index) < count:
            found[int(index)] = BadInput(str(fault.get("problem", "")), str(fault.get("remedy", "")), field.lstrip("."))
    return found
