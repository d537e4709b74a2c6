"""`journeyd version`: which journeyd, Python and SQLite this is."""

import platform
from importlib import metadata

from engine.cli.invocation import AsJson
from engine.cli.output import emit, tell


def version(*, as_json: AsJson = False) -> None:
    """Print the versions of journeyd, Python and SQLite."""
    import apsw

    versions = {
        "journeyd": metadata.version("journeyd"),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
    }
    if as_json:
        emit(versions)
    else:
        tell(f"journeyd {versions['journeyd']} (Python {versions['python']}, SQLite {versions['sqlite']})")
