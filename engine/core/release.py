"""What is published as one: the journeys, the audience's rules and the templates, named by the hash of their content.

Made by `journeyd publish` from a workspace, carried by a `publish` directive through the log, kept by the store, so
that any of them can be taken up again (`journeyd rollback`).
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from engine.core import plan as plans
from engine.core.errors import BadInput
from engine.core.ids import Micros
from engine.core.plan import Audience, InFlight, Plan

LIMIT: Final = 8_000_000
"""Bytes of an encoded release at most: it is one entry of the log."""


class Release(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state of the workspace. `templates`: path below templates/ -> its bytes. A journey left out is removed.

    `id` is the hash of plans, audience and templates; `in_flight` overrides what the plans say of their runs. `undone`
    names the releases that a rollback went back behind: a start does not publish one of these again by itself.
    """

    plans: tuple[Plan, ...]
    audience: Audience
    templates: dict[str, bytes] = {}
    id: str = ""
    at: Micros = 0
    by: str = ""
    note: str = ""
    in_flight: dict[str, InFlight] = {}
    undone: tuple[str, ...] = ()


CONSENT: Final = frozenset({"purposes", "channels", "addresses", "double", "offers", "titles"})
"""What of the policy is consent; the rest is caps and quiet hours."""


class Difference(msgspec.Struct, frozen=True):
    """What one release changes about another: names of journeys, of templates, and of parts of the audience's rules.

    A part is a field of `Audience`, but for the policy: that is `consent` and `caps`, as its two files are.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Does it change anything?"""
        return any((self.new, self.changed, self.removed, self.templates, self.audience))


def compare(before: Release | None, after: Release) -> Difference:
    """Return what `after` changes.

    >>> compare(None, Release((), Audience(), {"hi/subject": b"Hello"})).templates
    ('hi',)
    """
    old = {} if before is None else {plan.journey: plan.version for plan in before.plans}
    new = {plan.journey: plan.version for plan in after.plans}
    rules = Audience() if before is None else before.audience
    return Difference(
        new=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
        removed=tuple(sorted(old.keys() - new.keys())),
        templates=_differing({} if before is None else before.templates, after.templates),
        audience=tuple(_parts(rules, after.audience)),
    )


def _parts(old: Audience, new: Audience) -> Iterator[str]:
    for name in _changed(old, new):
        if name != "policy":
            yield name
            continue
        fields = set(_changed(old.policy, new.policy))
        if fields & CONSENT:
            yield "consent"
        if fields - CONSENT:
            yield "caps"


def _changed(old: msgspec.Struct, new: msgspec.Struct) -> list[str]:
    return [name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name)]


def _differing(old: dict[str, bytes], new: dict[str, bytes]) -> tuple[str, ...]:
    paths = [path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]
    return tuple(sorted({path.partition("/")[0] for path in paths}))


def in_flight_of(release: Release, plan: Plan) -> InFlight:
    """Return what becomes of the journey's runs in older versions: the release's word, else the plan's own."""
    return release.in_flight.get(plan.journey, plan.in_flight)


def seal(release: Release) -> Release:
    """Return the release with `id` set to the 12-hex-digit hash of what it would put in force."""
    body = msgspec.msgpack.encode((release.plans, release.audience, sorted(release.templates.items())))
    return msgspec.structs.replace(release, id=blake2b(body, digest_size=6).hexdigest())


def encode(release: Release) -> bytes:
    """Return the release's bytes in the log and the store."""
    return msgspec.msgpack.encode(release)


_decoder: msgspec.msgpack.Decoder[Release] = msgspec.msgpack.Decoder(Release)


def decode(body: bytes) -> Release:
    """Return the release that `encode` wrote; raises `msgspec.DecodeError` or `ValidationError` for anything else."""
    return _decoder.decode(body)


def read_release(body: bytes) -> Release:
    """Return the release in a directive's body, sealed anew; raises `BadInput` for what is none."""
    if len(body) > LIMIT:
        raise BadInput(f"The release has {len(body):,} bytes, over {LIMIT:,}", "Make the templates smaller", "body")
    try:
        release = decode(body)
    except msgspec.MsgspecError as problem:
        remedy = "Publish with the daemon's own version of journeyd"
        raise BadInput(f"The body is no release: {problem}", remedy, "body") from None
    names = [plan.journey for plan in release.plans]
    if len(set(names)) < len(names):
        raise BadInput("The release holds a journey twice", "Give each journey one file", "body")
    unsealed = next((plan.journey for plan in release.plans if plans.seal(plan).version != plan.version), "")
    if unsealed:
        remedy = "Publish again from the workspace"
        raise BadInput(f"The plan of {unsealed} is not what its version says", remedy, "body")
    return seal(release)
