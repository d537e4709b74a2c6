"""The JSON Schema for editors is what the syntax says."""

from typing import Any

from journeys import schema


def test_the_schema_file_is_fresh() -> None:
    assert schema.FILE.read_text("utf-8") == schema.text(), "run: python -m journeys.schema"


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    made = schema.schema()
    references = {one["$ref"] for one in _dicts(made) if "$ref" in one}
    assert references <= {f"#/$defs/{name}" for name in made["$defs"]}
    assert "#/$defs/Condition" in references


def test_keys_stand_as_they_are_written() -> None:
    made = schema.schema()
    assert {"journey", "stage", "enter", "steps"} <= set(made["required"])
    assert made["$defs"]["WaitForForm"]["required"] == ["wait for"]
    assert set(made["$defs"]["IfForm"]["properties"]) == {"id", "if", "then", "else"}
    assert made["additionalProperties"] is False


def _dicts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [one for item in value for one in _dicts(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(one for item in value.values() for one in _dicts(item))]
