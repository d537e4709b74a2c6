"""The journeys that stories may bring in by `with:`: files beside the journey, read when one is named.

Called by `story.py`. A journey is known here by the name of its file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.core.plan import Plan
from journeys.compile import load_journey


class Beside(Mapping[str, Plan]):
    """Journey name -> plan, of the folder of `journey_file` and of the folders beside that one.

    One that does not compile is not there: lint says why.
    """

    def __init__(self, journey_file: Path) -> None:
        folder = journey_file.parent
        found = [*sorted(folder.parent.glob("*/*.yaml")), *sorted(folder.glob("*.yaml"))]
        self._files = {
            path.stem: path for path in found if not path.name.endswith(".story.yaml") and path != journey_file
        }
        self._plans: dict[str, Plan | None] = {}

    def __getitem__(self, name: str) -> Plan:
        path = self._files[name]
        if name not in self._plans:
            plan = load_journey(path.read_bytes(), str(path)).plan
            self._plans[name] = plan if plan is not None and plan.journey == name else None
        found = self._plans[name]
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)
