"""Do the sources that identity.yaml trusts exist? They are named in journeyd.yaml, by the keys that may send events.

Only names are read here; the settings themselves are checked where they are loaded. Called by `check.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from journeys.forms.identity import IdentityForm
from journeys.parse import parse_form
from journeys.positions import read_document, read_file
from journeys.problems import Problem, near_or_known

BUILT_IN: Final = frozenset({"import", "journeyd"})
"""Sources that every workspace has: its imports, and the engine itself."""


def check_sources(root: Path) -> Iterator[Problem]:
    """Yield a complaint for each trusted source of the workspace at `root` that has no write key."""
    path = root / "audience" / "identity.yaml"
    known = sources_of(root / "journeyd.yaml")
    if not known or not path.is_file():
        return
    parsed = parse_form(read_file(path), str(path), IdentityForm)
    for place, name in enumerate(parsed.form.trust if parsed.form is not None else ()):
        if name not in known | BUILT_IN:
            yield Problem("J158", parsed.document.place(("trust", place)), {"name": name, **near_or_known(name, known)})


def sources_of(path: Path) -> frozenset[str]:
    """Return the names under `write_keys` of journeyd.yaml; none when they cannot be told."""
    try:
        data = read_document(read_file(path), str(path)).data
    except OSError:
        return frozenset()
    keys = data.get("write_keys") if isinstance(data, dict) else None
    named = [key.get("name") for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    return frozenset(name for name in named if isinstance(name, str))
