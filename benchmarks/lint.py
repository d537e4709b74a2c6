"""How long `journeyd lint` takes over 500 journeys of the library's size: the command as a whole, and its parts.

The workspace is the library many times over, each copy under a name of its own, on disk. The yardstick, in the same
run, is reading the same files with the YAML scanner alone that is written in Python.
"""

import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.measure import Sample, measured

LIBRARY = Path("journeys/library/e-commerce")
JOURNEYS = 500


def prepare(folder: Path, journeys: int = JOURNEYS) -> None:
    """Write the workspace."""
    (folder / "journeys").mkdir(parents=True)
    (folder / "journeyd.yaml").write_text("brand: Bench\n", encoding="utf-8")
    shutil.copytree(LIBRARY / "audience", folder / "audience")
    shutil.copytree(LIBRARY / "templates", folder / "templates")
    if (LIBRARY / "coupons").is_dir():
        shutil.copytree(LIBRARY / "coupons", folder / "coupons")
    sound = _originals()
    for number in range(journeys):
        name, text = sound[number % len(sound)]
        copy = f"{name}-{number // len(sound)}"
        text = re.sub(rf"(?m)^journey: {re.escape(name)}$", f"journey: {copy}", text)
        # A copy starts and leaves the copies of its own round.
        text = re.sub(r"(?m)^( *- (?:start|leave): [a-z-]+)$", rf"\g<1>-{number // len(sound)}", text)
        (folder / "journeys" / f"{copy}.yaml").write_text(text, encoding="utf-8")


def _originals() -> list[tuple[str, str]]:
    skipped = {"audience", "templates", "coupons"}
    paths = [path for path in sorted(LIBRARY.rglob("*.yaml")) if not skipped & {*path.parts}]
    return [(path.stem, path.read_text("utf-8")) for path in paths if not path.stem.endswith(".story")]


def run(folder: Path) -> Sample:
    """Compile and lint the workspace in this process, templates and all, as the command does."""
    from engine.cli.lint import complaints_of

    for name in ("channels.templates", "journeys.check"):
        import_module(name)  # before the clock starts: `command` counts it
    with measured() as cost:
        found = complaints_of(folder, "en")
    errors = [one for one in found if one["severity"] == "error" and one["code"] not in _OF_COPIES]
    count = len(list((folder / "journeys").iterdir()))
    return Sample(count, cost.wall, cost.cpu, not errors, f"{len(errors)} errors" if errors else "no error")


_OF_COPIES = frozenset({"J107", "J108"})
"""The last round is not whole: what its copies start may be missing."""


def command(folder: Path) -> Sample:
    """Run `journeyd lint` as a process, from its start to its end."""
    with measured() as cost:
        done = subprocess.run(
            [sys.executable, "-c", "from engine.cli.main import run; run()", "--workspace", str(folder), "lint"],
            capture_output=True,
            check=False,
        )
    count = len(list((folder / "journeys").iterdir()))
    said = (done.stdout.decode(errors="replace").strip().splitlines() or [""])[-1]
    return Sample(count, cost.wall, cost.cpu, done.returncode in {0, 1} and "error" in said, said)


def scanner(folder: Path) -> Sample:
    """Only scan the same files, with the scanner written in Python."""
    from journeys.yaml_events import exact_events

    texts = [path.read_text("utf-8") for path in sorted((folder / "journeys").iterdir())]
    with measured() as cost:
        events = sum(1 for text in texts for _ in exact_events(text))
    return Sample(len(texts), cost.wall, cost.cpu, events > 0, f"{events:,} events")
