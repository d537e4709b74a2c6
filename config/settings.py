"""The dials of a workspace: journeyd.yaml at its root, overridden by JOURNEYD_* of the environment.

Read once, by bootstrap. A nested key is written with two underscores: JOURNEYD_EMAIL__HOST. Complaints name the place
and the remedy, and never show a value: it may be a secret.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import available_timezones

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from config.document import Document, read_document
from config.scaled import Storage, Stream
from config.sections import (
    Delivery,
    Email,
    Keep,
    Log,
    Publish,
    Push,
    ReadKey,
    Rules,
    Sandbox,
    Section,
    Server,
    Sms,
    Webhook,
    Wechat,
    Wecom,
    WriteKey,
    dial,
)
from config.units import Positive, SecretRef
from engine.core.errors import BadSetting

FILE: Final = "journeyd.yaml"
PREFIX: Final = "JOURNEYD_"

Price = Annotated[float, Field(ge=0, le=1_000_000)]
"""Money for one message, in whatever currency the workspace counts in."""


class Settings(Section):
    """Everything that can be set. Durations are microseconds here; secrets are `SecretRef`s, resolved."""

    data: str = dial(".journeyd", "Folder of the journal, the store and the lock; relative to the workspace")
    server: Server = dial(Server(), "The one port: events in, callbacks, tracking links, console")
    store: Storage = dial(Storage(), "Where state is kept: SQLite in `data`, or PostgreSQL")
    stream: Stream = dial(Stream(), "Events through Kafka, to run on several machines; needs `store.url`")
    write_keys: tuple[WriteKey, ...] = dial((), "Who may send events: [{name, key: env:NAME, scope: server}]")
    read_keys: tuple[ReadKey, ...] = dial((), "Who may ask for a customer: [{name, key: env:NAME, traits: none}]")
    ops_key: SecretRef | None = dial(None, "Bearer key of /v1/ops, by reference; none closes it")
    signing_key: SecretRef | None = dial(None, "Signs tracking links, by reference; none: made once in the data folder")
    brand: str = dial("", "Name shown on the unsubscribe page")
    costs: dict[str, Price] = dial({}, "By channel, what a message costs, for `journeyd simulate`: {sms: 0.045}")
    default_region: str = dial("CN", "ISO country of phone numbers written without +", pattern="^[A-Z]{2}$")
    default_zone: str = dial("Asia/Shanghai", "IANA time zone of customers who have none")
    max_event_age: Positive = dial("1h", "Events that come later than this after they happened trigger nothing")
    email: Email | None = dial(None, "Email over SMTP")
    sms: Sms = dial(Sms(), "Text messages")
    wechat: Wechat = dial(Wechat(), "WeChat messages")
    wecom: Wecom | None = dial(None, "A WeCom (企业微信) app: messages and tasks to colleagues, messages to customers")
    push: Push = dial(Push(), "App push")
    webhook: Webhook = dial(Webhook(), "Signed POSTs to other systems, after Standard Webhooks")
    delivery: Delivery = dial(Delivery(), "The delivery contract's dials")
    publish: Publish = dial(Publish(), "How journeys, audience and templates come into force")
    keep: Keep = dial(Keep(), "How long reasons, deliveries and ended runs are kept")
    log: Log = dial(Log(), "The journal of everything that happened")
    rules: Rules = dial(Rules(), "How tags and stages follow from their rules, and the second opinion on that")
    sandbox: Sandbox = dial(Sandbox(), "Local providers that behave like the real ones and send nothing")

    @field_validator("default_zone")
    @classmethod
    def _is_zone(cls, said: str) -> str:
        if said not in available_timezones():
            near = get_close_matches(said, available_timezones(), 1)
            raise ValueError(f"is no time zone; write {near[0] if near else 'Asia/Shanghai'}, for example")
        return said

    @field_validator("stream")
    @classmethod
    def _has_a_database(cls, said: Stream, info: ValidationInfo) -> Stream:
        store = info.data.get("store")
        if said.brokers and isinstance(store, Storage) and not store.url.is_set:
            raise ValueError(
                "brokers are named and no database: set store.url to postgresql://... (SQLite is one process's)"
            )
        return said


class _Overridable(Settings, BaseSettings):
    """Settings as pydantic-settings wants them, to read the environment by; never instantiated."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")


def load_settings(root: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings of the workspace at `root`; raises `BadSetting` with every complaint, a line each."""
    document = read_document(root / FILE, FILE)
    overrides = _from_environment(environ)
    try:
        settings = Settings(**_merged(document.values, overrides))
    except ValidationError as problem:
        errors = problem.errors(include_input=False, include_url=False, include_context=False)
        raise BadSetting("\n".join(_complaint(error, document, overrides) for error in errors)) from None
    problems: list[str] = []
    if settings.store.url.holds_password and not _is_in(("store", "url"), overrides):
        where = _place(("store", "url"), document, overrides)
        problems.append(f"{where}: store.url: holds a password; write env:NAME or file:path and keep the address there")
    for path, secret in _secrets(settings, ()):
        try:
            secret.resolve(root, environ)
        except ValueError as problem:
            problems.append(f"{_place(path, document, overrides)}: {'.'.join(path)}: {problem}")
    if problems:
        raise BadSetting("\n".join(problems))
    return settings


# --- the environment -------------------------------------------------------------------------------


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what JOURNEYD_* says; a name without `__` that is no setting is somebody else's (Kubernetes')."""
    source = EnvSettingsSource(_Overridable)
    source.env_vars = {name.lower(): value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    try:
        found = source()
    except SettingsError as problem:
        raise BadSetting(f"environment: {problem}; write JSON there") from None
    sections = set(Settings.model_fields)
    for name in source.env_vars:
        first = name.removeprefix(PREFIX.lower()).partition("__")
        if first[1] and first[0] not in sections:
            raise BadSetting(f"environment {name.upper()}: unknown section `{first[0]}`{_nearest(first[0], sections)}")
    return found


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


# --- complaints ------------------------------------------------------------------------------------


def _complaint(error: ErrorDetails, document: Document, overrides: Mapping[str, Any]) -> str:
    path = tuple(str(part) for part in error["loc"])
    where, name = _place(path, document, overrides), ".".join(path)
    match error["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key `{name}`{_nearest(path[-1], _keys(path[:-1]))}"
        case "missing":
            return f"{where}: `{name}` is missing; add it"
        case _:
            said = error["msg"].removeprefix("Value error, ")
            return f"{where}: {name}: {said[0].lower()}{said[1:]}"


def _place(path: tuple[str, ...], document: Document, overrides: Mapping[str, Any]) -> str:
    if _is_in(path, overrides):
        return f"environment {PREFIX}{'__'.join(path).upper()}"
    for length in range(len(path), 0, -1):
        if path[:length] in document.places:
            return str(document.places[path[:length]])
    return FILE


def _is_in(path: tuple[str, ...], values: object) -> bool:
    for part in path:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _nearest(said: str, known: set[str]) -> str:
    near = get_close_matches(said, known, 1, 0.5)
    return f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(sorted(known))}"


def _keys(path: tuple[str, ...]) -> set[str]:
    """Return the keys known in the section at `path`."""
    model: type[BaseModel] = Settings
    for part in path:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        inner = _models(fields[part].annotation) if part in fields else []
        if inner:
            model = inner[0]
    return {field.alias or name for name, field in model.model_fields.items()}


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the section inside an annotation such as `Email | None` or `tuple[WriteKey, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]


def _secrets(section: BaseModel, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], SecretRef]]:
    for name, field in type(section).model_fields.items():
        value, here = getattr(section, name), (*path, field.alias or name)
        if isinstance(value, SecretRef):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from _secrets(value, here)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _secrets(item, (*here, str(index)))
