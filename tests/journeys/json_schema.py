"""The part of JSON Schema (2020-12) that our schemas use: says what is wrong with a value. A tool of the tests."""

import re
from collections.abc import Iterator
from typing import Any

KNOWN = {
    *("$schema", "title", "description", "examples", "default", "$defs", "$ref", "anyOf", "if", "then", "else", "type"),
    *("enum", "const", "properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
    *("minProperties", "maxProperties", "items", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
    *("minimum", "maximum"),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


class Schema:
    """A schema with its own definitions."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def faults(self, value: Any) -> list[str]:
        """Return where the value is not what the schema asks for; [] when it is."""
        return list(self._faults(value, self.root, ""))

    def _faults(self, value: Any, schema: Any, path: str) -> Iterator[str]:
        assert schema.keys() <= KNOWN, schema.keys() - KNOWN
        if "$ref" in schema:
            yield from self._faults(value, self.root["$defs"][schema["$ref"].removeprefix("#/$defs/")], path)
        if "if" in schema:
            branch = "else" if list(self._faults(value, schema["if"], path)) else "then"
            yield from self._faults(value, schema[branch], path)
        if "anyOf" in schema and all(list(self._faults(value, one, path)) for one in schema["anyOf"]):
            yield f"{path}: none of anyOf"
        if "type" in schema and not _is_of(value, schema["type"]):
            yield f"{path}: not {schema['type']}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{path}: not in {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            yield f"{path}: not {schema['const']}"
        yield from self._inside(value, schema, path)

    def _inside(self, value: Any, schema: Any, path: str) -> Iterator[str]:
        match value:
            case dict():
                yield from self._in_object(value, schema, path)
            case list():
                if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                    yield f"{path}: {len(value)} items"
                for index, one in enumerate(value):
                    yield from self._faults(one, schema.get("items", {}), f"{path}/{index}")
            case str():
                if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
                    yield f"{path}: {len(value)} characters"
                if "pattern" in schema and not re.search(schema["pattern"], value):
                    yield f"{path}: does not match {schema['pattern']}"
            case int() | float():
                if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                    yield f"{path}: out of range"
            case _:
                pass

    def _in_object(self, value: dict[str, Any], schema: Any, path: str) -> Iterator[str]:
        yield from (f"{path}: {key} is missing" for key in schema.get("required", ()) if key not in value)
        if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
            yield f"{path}: {len(value)} keys"
        patterns = schema.get("patternProperties", {})
        for key, one in value.items():
            if "propertyNames" in schema:
                yield from self._faults(key, schema["propertyNames"], f"{path}/{key}")
            matching = [inner for pattern, inner in patterns.items() if re.search(pattern, key)]
            if key in schema.get("properties", {}):
                matching.append(schema["properties"][key])
            if not matching:
                rest = schema.get("additionalProperties", True)
                if rest is False:
                    yield f"{path}: unknown key {key}"
                matching = [] if isinstance(rest, bool) else [rest]
            for inner in matching:
                yield from self._faults(one, inner, f"{path}/{key}")


def _is_of(value: Any, types: str | list[str]) -> bool:
    asked = [types] if isinstance(types, str) else types
    if isinstance(value, bool):
        return "boolean" in asked
    return any(isinstance(value, _TYPES[one]) for one in asked)
