"""One row of an imported file -> messages of the API: who a customer is, whose member, what happened, on which list.

Ids follow from what is said, so that the same file imported twice says everything once. Called by `import_loading.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from engine.cli import import_cells as cells
from engine.cli import import_mapping as mapping
from engine.core.audience.tags import LIST
from engine.core.errors import BadInput
from engine.core.ids import derive
from engine.http.marks import NAME_LIMIT, PROOF_LIMIT
from engine.http.naming import Naming

What: TypeAlias = Literal["customers", "accounts", "history", "list"]
Message: TypeAlias = dict[str, Any]

_MOST_MEMBERS: Final = 1_000


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is imported: `what` it is, from which file, said as of when (ISO 8601), and what holds for every row.

    `name` is the list's; `event` the name of what happened in each row of a history; `proof` of the consents. `run`
    makes the ids of this import its own: a list is said anew each time, since somebody may have come off it.
    """

    what: What
    file: str
    as_of: str
    name: str = ""
    event: str = ""
    proof: str = ""
    run: str = ""
    is_backfill: bool = True


def check_list(name: str) -> None:
    """Refuse a name that no list can have; raises `BadInput`."""
    if not name or name != name.strip() or not name.isprintable() or len(LIST + name) > NAME_LIMIT:
        raise BadInput(f"{name!r} is no name of a list", "Use a short one, like fair-2026")


class Rows:
    """Makes messages of rows. `serials` counts dates that were Excel's numbers."""

    def __init__(self, task: Task, said: mapping.Mapping, naming: Naming) -> None:
        self._task, self._said, self._naming = task, said, naming
        self._kinds = [field for field in said.fields if field.name in naming.kinds]
        self._traits = [field for field in said.fields if mapping.is_trait(field.name, naming.kinds)]
        self._consents = [field for field in said.fields if field.name.startswith(mapping.CONSENT)]
        self._tags = [field for field in said.fields if field.name.startswith(mapping.TAG)]
        self._by = f"import:{task.file}"[:NAME_LIMIT]
        shape = [task.what, task.name, task.event, task.proof, task.run, said.zone]
        self._shape = derive(*shape, *(f"{field.name}:{field.type}" for field in said.fields))
        self.serials = 0
        self._make: Callable[[Mapping[str, Any]], list[Message]] = {
            "customers": self._customer,
            "accounts": self._account,
            "history": self._happening,
            "list": self._listed,
        }[task.what]

    def messages(self, row: Mapping[str, Any], line: int) -> list[Message]:
        """Return what the row says; raises `BadInput` that names the column.

        Its id is the key's, else the content's, under whatever name the file comes. What happened may well have
        happened twice: in a history the line counts, too.
        """
        found = self._make(row)
        key = self._one(row, mapping.KEY)
        said = ["key", key] if key else ["row", *(str(row.get(field.column)) for field in self._said.fields)]
        again = [*said, line] if self._task.what == "history" and not key else said
        for number, message in enumerate(found):
            message["messageId"] = derive("import", self._shape, *again, number)
            if self._task.is_backfill:
                message["backfill"] = True
        return found

    # --- the kinds of files

    def _customer(self, row: Mapping[str, Any]) -> list[Message]:
        message = self._message(row, "identify")
        traits = message["context"]["traits"]
        consents = self._values(row, self._consents, mapping.CONSENT, "bool")
        if consents:
            traits["consents"] = consents
            message["proof"] = (self._one(row, mapping.PROOF) or self._task.proof or self._by)[:PROOF_LIMIT]
        tags: dict[str, Any] = {name: {"by": self._by} for name in self._names(row, mapping.TAGS)}
        for name, is_given in self._values(row, self._tags, mapping.TAG, "bool").items():
            tags |= {name: {"by": self._by} if is_given else None}
        if tags:
            message["tags"] = tags
        account = self._one(row, mapping.ACCOUNT)
        return [message, self._member(row, account, {})] if account else [message]

    def _account(self, row: Mapping[str, Any]) -> list[Message]:
        account = self._one(row, mapping.ACCOUNT)
        if not account:
            raise BadInput("The row names no account", 'Map its id: --map "Company=account"', mapping.ACCOUNT)
        traits = self._values(row, self._traits)
        if any(self._one(row, field.name) for field in self._kinds):
            return [self._member(row, account, traits)]
        members = self._names(row, mapping.MEMBERS)
        if not members:
            remedy = "Map a column of user ids to members, or identifiers of one member per row"
            raise BadInput("The row names no member: an account is known by its people", remedy, mapping.MEMBERS)
        if len(members) > _MOST_MEMBERS:
            raise BadInput(f"The row has over {_MOST_MEMBERS:,} members", "Write a row per member", mapping.MEMBERS)
        return [
            {"type": "group", "groupId": account, "traits": traits, "userId": member, "timestamp": self._when(row)}
            for member in members
        ]

    def _happening(self, row: Mapping[str, Any]) -> list[Message]:
        event = self._one(row, mapping.EVENT) or self._task.event
        if not event:
            raise BadInput("The row does not say what happened", "Map a column to event, or add --event NAME", "event")
        if not self._one(row, mapping.AT):
            raise BadInput("The row does not say when it happened", 'Map a column: --map "Date=at"', mapping.AT)
        message = self._message(row, "track")
        message["event"], message["properties"] = event, self._values(row, self._traits)
        message["context"]["traits"] = {name: message["context"]["traits"][name] for name in self._addresses(message)}
        return [message]

    def _listed(self, row: Mapping[str, Any]) -> list[Message]:
        message = self._message(row, "identify")
        message["tags"] = {LIST + self._task.name: {"by": self._by}}
        return [message]

    # --- the parts of a message

    def _message(self, row: Mapping[str, Any], kind: str) -> Message:
        """Return who it is and what is said of them."""
        message: Message = {"type": kind, "timestamp": self._when(row)}
        traits = self._values(row, self._traits)
        external: list[dict[str, str]] = []
        for field in self._kinds:
            value = cells.identifier(row.get(field.column), field.name, field.column, self._naming)
            match field.name if value else "":
                case "":
                    pass
                case "user_id":
                    message["userId"] = value
                case "anonymous_id":
                    message["anonymousId"] = value
                case "email" | "phone":
                    traits[field.name] = value
                case _:
                    external.append({"type": field.name, "id": value})
        return {**message, "context": {"traits": traits, "externalIds": external}}

    def _member(self, row: Mapping[str, Any], account: str, traits: dict[str, Any]) -> Message:
        message = self._message(row, "group")
        context = message["context"]
        context["traits"] = {name: context["traits"][name] for name in self._addresses(message)}
        return {**message, "groupId": account, "traits": traits}

    @staticmethod
    def _addresses(message: Message) -> list[str]:
        return [name for name in ("email", "phone") if name in message["context"]["traits"]]

    def _when(self, row: Mapping[str, Any]) -> str:
        field = self._said.named(mapping.AT)
        value = row.get(field.column) if field else None
        if field is None or not cells.clean(value):
            return self._task.as_of
        self.serials += cells.is_serial(value)
        return cells.instant(value, field.column, self._said.zone)

    def _one(self, row: Mapping[str, Any], name: str) -> str:
        field = self._said.named(name)
        return cells.clean(row.get(field.column)) if field else ""

    def _names(self, row: Mapping[str, Any], name: str) -> list[str]:
        field = self._said.named(name)
        return cells.texts(row.get(field.column), field.column) if field else []

    def _values(
        self, row: Mapping[str, Any], fields: list[mapping.Field], prefix: str = "", kind: str = ""
    ) -> dict[str, Any]:
        """Return name -> value; empty cells say nothing."""
        found: dict[str, Any] = {}
        for field in fields:
            given = row.get(field.column)
            value = cells.read(given, kind or field.type, field.column, self._said.zone)
            if value is not None:
                self.serials += field.type in {"time", "date"} and cells.is_serial(given)
                found[field.name.removeprefix(prefix).removeprefix("trait.")] = value
        return found
