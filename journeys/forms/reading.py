"""The bridge between pydantic and the file: forms that know their keys, values that read themselves.

`Form` refuses unknown keys by naming the nearest known one; `Read` turns a reader of `scalars.py` or `times.py`, or a
condition, into a field type with its own JSON Schema. Complaints gather in a `Reading`, with the paths of a `Document`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, Protocol, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, model_validator
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from engine.core.expression import Measure
from journeys.expressions import Located, Scope, parse_condition, parse_formula, parse_value
from journeys.positions import Document, Path
from journeys.problems import Problem, nearest
from journeys.scalars import BadValue, kind_of
from journeys.terms import Kind


class Reading:
    """What gathers while one document is validated: complaints, and the measures its conditions ask for."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.measures: list[Measure] = []

    def unknown_key(self, form: dict[str, Any], key: str, known: Iterable[str], later: Iterable[str]) -> None:
        """Complain of a key that the form does not have."""
        place = self.document.key_place((*self.document.paths.get(id(form), ()), key))
        known = list(known)
        if key in later:
            self.problems.append(Problem("J090", place, {"word": key}))
        elif near := nearest(key, known):
            self.problems.append(Problem("J010", place, {"key": key, "near": near, "known": ", ".join(known)}))
        else:
            self.problems.append(Problem("J011", place, {"key": key, "known": ", ".join(known)}))


class Form(BaseModel):
    """A block of `key: value` lines with a fixed set of keys; `later` are the keys of coming versions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)
    later: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def known(cls) -> list[str]:
        """Return the form's keys as they are written."""
        return [info.alias or name for name, info in cls.model_fields.items()]

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        known = cls.known()
        for key in data:
            if key not in known:
                cast("Reading", info.context).unknown_key(data, key, known, cls.later)
        return {key: value for key, value in data.items() if key in known}


class Read:
    """Field metadata: how the plain YAML value is read, and how an editor should see it."""

    def __init__(self, reader: Callable[[Any], Any], schema: dict[str, Any]) -> None:
        self.reader, self.schema = reader, schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)

    def _read(self, value: Any, _info: ValidationInfo) -> Any:
        try:
            return self.reader(value)
        except BadValue as error:
            raise complaint(error.code, **error.data) from None


class Understood(Protocol):
    """What a text of the language was understood as: a tree (or a record of them), its measures, its faults."""

    @property
    def expr(self) -> Any:
        """The tree, None when it has faults."""

    @property
    def measures(self) -> Sequence[Measure]:
        """The statistics it asks for."""

    @property
    def faults(self) -> Sequence[Located]:
        """What is wrong, each with its place inside the value."""


class ReadCondition(Read):
    """Field metadata for a condition, a value or a formula: the tree, its measures kept, its faults located."""

    def __init__(self, parse: Callable[[Any], Understood], schema: dict[str, Any]) -> None:
        super().__init__(parse, schema)

    def _read(self, value: Any, _info: ValidationInfo) -> Any:
        parsed = cast("Understood", self.reader(value))
        if parsed.faults:
            raise PydanticCustomError("condition", "condition", {"faults": parsed.faults})
        cast("Reading", _info.context).measures.extend(parsed.measures)
        return parsed.expr


class OrText:
    """Field metadata for the editor: the block may also be written as a short text."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [self.schema, handler(schema)]}


class OneOrMany:
    """Field metadata: one item may be written without its list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda given: given if isinstance(given, list) else [given], handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def complaint(code: str, **data: Any) -> PydanticCustomError:
    """Return the exception by which a validator says one of our complaints."""
    return PydanticCustomError("journeys", "value", {"code": code, "data": data})


CONDITION_SCHEMA: Final[dict[str, Any]] = {"format": "journeyd-condition"}  # `schema.py` makes it a $ref
CONDITION_DEFINITION: Final[dict[str, Any]] = {
    "title": "Condition",
    "description": 'Text such as event.total > 100 and not tag("vip"), or all:, any:, not: with conditions below.',
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 4000},
        {"type": "boolean"},
        *(
            {
                "type": "object",
                "properties": {word: {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Condition"}}},
                "required": [word],
                "additionalProperties": False,
            }
            for word in ("all", "any")
        ),
        {
            "type": "object",
            "properties": {"not": {"$ref": "#/$defs/Condition"}},
            "required": ["not"],
            "additionalProperties": False,
        },
    ],
}
VALUE_SCHEMA: Final[dict[str, Any]] = {"type": ["string", "number", "boolean", "array"]}


def condition(scope: Scope) -> ReadCondition:
    """Return the metadata of a condition that may read what `scope` says."""
    return ReadCondition(lambda raw: parse_condition(raw, scope), CONDITION_SCHEMA)


def value(scope: Scope) -> ReadCondition:
    """Return the metadata of a value: constant, formula or plain text."""
    return ReadCondition(lambda raw: parse_value(raw, scope), VALUE_SCHEMA)


def formula(scope: Scope, *kinds: Kind) -> ReadCondition:
    """Return the metadata of a formula of one of these kinds (any when none is named)."""
    wanted = frozenset(kinds) or None
    return ReadCondition(lambda raw: parse_formula(raw, scope, wanted), {"type": ["string", "number"]})


def complaints(document: Document, errors: Iterable[Any]) -> list[Problem]:
    """Turn pydantic's errors (`ValidationError.errors()`) into located problems."""
    problems: list[Problem] = []
    for error in errors:
        path, missing = _path(document.data, error["loc"])
        problems += _problems(document, path, missing, error)
    return problems


def _problems(document: Document, path: Path, missing: str, error: Any) -> list[Problem]:
    context = error.get("ctx", {})
    match error["type"]:
        case "condition":
            return [
                Problem(fault.code, document.place((*path, *fault.path), fault.offset), fault.data)
                for fault in context["faults"]
            ]
        case "journeys":
            return [Problem(context["code"], document.place(path), context["data"])]
        case "too_short":
            return [Problem("J040", document.place(path))]
        case "missing":
            return [Problem("J012", document.place(path), {"key": missing})]
        case "literal_error":
            words = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            choices = ", ".join(word for word in words if word)  # an empty word is the default: nobody writes it
            return [Problem("J014", document.place(path), {"value": error["input"], "choices": choices})]
        case kind if kind in _EXPECTED:
            data = {"expected": _EXPECTED[kind], "found": kind_of(error["input"])}
            return [Problem("J013", document.place(path), data)]
        case _:
            return [Problem("J019", document.place(path), {"detail": error["msg"]})]


_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "number",
    "float_type": "number",
    "bool_type": "yesno",
    "list_type": "list",
    "dict_type": "map",
    "model_type": "map",
    "model_attributes_type": "map",
}


def _path(data: Any, loc: tuple[str | int, ...]) -> tuple[Path, str]:
    """Follow pydantic's location into the data: parts that are not there are its own tags, or the missing key."""
    path: list[str | int] = []
    missing = ""
    for part in loc:
        if isinstance(data, dict) and part in data:
            data, missing = data[str(part)], ""
            path.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data, missing = data[part], ""
            path.append(part)
        else:
            missing = str(part)
    return tuple(path), missing
