"""audience/identity.yaml -> `Identity`: the kinds in order of strength, and what their rules say against each other.

Called by `audience.py`. What follows when two customers share an identifier is the core's (`core/audience/identity`).
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from engine.core.policy import IdentifierRule, Identity
from journeys.forms.identity import IdentifierForm, IdentityForm
from journeys.parse import Parsed
from journeys.positions import Path
from journeys.problems import Problem, nearest

_DEFAULT: Final = Identity()
BUILT_IN: Final[Mapping[str, IdentifierRule]] = {rule.kind: rule for rule in _DEFAULT.kinds}
_RANK: Final = {kind: place for place, kind in enumerate(BUILT_IN)}


def identity_of(form: IdentityForm) -> Identity:
    """Return the rules that a form without complaints makes; what it does not say keeps its default.

    >>> [rule.kind for rule in identity_of(IdentityForm(identifiers={"email": IdentifierForm()})).kinds][5:7]
    ['phone', 'email']
    """
    allowed = {value.casefold() for value in form.allow}
    listed = [_rule(kind, said, allowed) for kind, said in form.identifiers.items()]
    others = [msgspec.structs.replace(rule, blocked=_but(rule.blocked, allowed)) for rule in BUILT_IN.values()]
    return Identity(
        kinds=_with_the_others(listed, others),
        blocked=_but((*_DEFAULT.blocked, *form.block), allowed),
        absorbs=form.absorbs or _DEFAULT.absorbs,
        sources=tuple(form.trust),
    )


def _rule(kind: str, said: IdentifierForm, allowed: set[str]) -> IdentifierRule:
    """Return the rule of a kind: that of its own or of the kind it is like, as far as nothing else is said."""
    like = said.like or kind
    default = BUILT_IN[like]
    return IdentifierRule(
        kind,
        strong=default.strong if said.weak is None else not said.weak,
        limit=said.limit or default.limit,
        blocked=_but((*default.blocked, *said.block), allowed),
        like=said.like,
    )


def _but(values: Iterable[str], allowed: set[str]) -> tuple[str, ...]:
    return tuple(value for value in dict.fromkeys(values) if value.casefold() not in allowed)


def _with_the_others(listed: list[IdentifierRule], built_in: Iterable[IdentifierRule]) -> tuple[IdentifierRule, ...]:
    """Return the listed kinds and the others, each before the first listed one that is weaker by default."""
    kinds = list(listed)
    for rule in built_in:
        if any(rule.kind == one.kind for one in kinds):
            continue
        rank = _RANK[rule.kind]
        place = next((n for n, one in enumerate(kinds) if _RANK[one.like or one.kind] > rank), len(kinds))
        kinds.insert(place, rule)
    return tuple(kinds)


def check_identity(parsed: Parsed[IdentityForm]) -> list[Problem]:
    """Return what is wrong among the values of the file, each of which can be read."""
    form, document = parsed.form, parsed.document
    if form is None:
        return []
    problems: list[Problem] = []
    for kind, said in form.identifiers.items():
        path: Path = ("identifiers", kind)
        key, data = document.key_place(path), {"name": kind}
        if kind not in BUILT_IN and not said.like:
            problems.append(Problem("J150", key, {**data, "near": nearest(kind, BUILT_IN)}))
            continue
        if kind in BUILT_IN and said.like:
            problems.append(Problem("J152", document.place((*path, "like")), data))
        if kind == "user_id" and said.weak:
            problems.append(Problem("J153", document.place((*path, "weak")), data))
        if kind == "user_id" and (said.limit or 1) > 1:
            problems.append(Problem("J156", document.place((*path, "limit")), data))
        if said.weak is False and not BUILT_IN[said.like or kind].strong:
            problems.append(Problem("J155", document.place((*path, "weak")), data))
        problems += [
            Problem("J159", document.place((*path, "block", place)), {**data, "value": value})
            for place, value in enumerate(said.block)
            if not _may_come(said.like or kind, value)
        ]
    problems += [
        Problem("J160", document.place(("trust", place)), {"name": source})
        for place, source in enumerate(form.trust)
        if source in form.trust[:place]
    ]
    return problems


def _may_come(kind: str, value: str) -> bool:
    """Say whether a value in normal form can be, or begin like, this one: others would never be met."""
    plain = value.removesuffix("*")
    match kind:
        case "phone":
            return plain.startswith("+") and plain[1:].isdigit()
        case "national_id":
            return all(one in "0123456789abcdef" for one in plain.lower()) and (value.endswith("*") or len(plain) == 64)
        case _:
            return True
