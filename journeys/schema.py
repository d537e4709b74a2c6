"""The JSON Schema of the journey files, for editors: made from the syntax, so that the two cannot differ.

`journeys/schema.json` is its output, kept in the repository and held fresh by a test. Run `python -m journeys.schema`
to write it.
"""

import json
from pathlib import Path
from typing import Any, Final

from journeys.reading import CONDITION_DEFINITION, CONDITION_SCHEMA
from journeys.syntax import JourneyForm

FILE: Final = Path(__file__).with_name("schema.json")


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a journey file."""
    made = JourneyForm.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    finished: dict[str, Any] = _finished(made)
    finished["title"] = "journeyd journey"
    finished["$defs"]["Condition"] = CONDITION_DEFINITION
    return finished


def text() -> str:
    """Return the schema as the text of schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _finished(made: Any) -> Any:
    """Point conditions at their definition and drop what says nothing to an editor (titles, null defaults)."""
    if isinstance(made, list):
        return [_finished(one) for one in made]
    if not isinstance(made, dict):
        return made
    kept = {
        key: _finished(value)
        for key, value in made.items()
        if not (key == "default" and value in (None, "")) and not (key == "title" and isinstance(value, str))
    }
    if kept.get("format") == CONDITION_SCHEMA["format"]:
        del kept["format"]
        kept["$ref"] = "#/$defs/Condition"
    return kept


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
