"""Who and what is there before a story begins: its customer, the journeys that play, the rules, and the world beyond.

Called by `stories/play.py`. The dice are fixed here: nobody is held out and no arm is drawn unless the story says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from engine.core.audience import identity
from engine.core.expression import Constant
from engine.core.ids import Micros
from engine.core.plan import Again, Audience, Coupon, Leave, Manual, Plan, Split, Start, Stop, Tag
from engine.core.playbook import Playbook
from engine.core.state import Account, Consent, Customer, Held
from engine.core.world import ArmResult, Given
from journeys.stories.script import Company, Happens, Person, Story

ENDLESS: Final = 1_000
"""Codes of a pool that the story says nothing of: CODE-1, CODE-2 and so on."""

_TAGGING: Final = "story:tag:"


@dataclass(frozen=True)
class Setting:
    """A journey with the rules it plays under and the journeys that stories may bring in by `with:`, by name."""

    plan: Plan
    audience: Audience
    beside: Mapping[str, Plan] = field(default_factory=dict)


def playing(story: Story, setting: Setting) -> list[Plan]:
    """Return the story's own journey first, then those of `with:`, the dice fixed.

    A journey that is started or left but does not play along is stood in for by one that ends at once.
    """
    plans = [setting.plan, *(setting.beside[name] for name in story.others)]
    known = {plan.journey for plan in plans}
    named = {node.journey for plan in plans for node in plan.nodes if isinstance(node, Start | Leave)}
    stand_ins = [_manual(name, Stop("1")) for name in sorted(named - known)]
    return [_fixed(plan, story) for plan in plans] + stand_ins


def playbook_of(story: Story, setting: Setting, plans: Iterable[Plan]) -> Playbook:
    """Return everything in force while the story plays."""
    audience = setting.audience
    policy = msgspec.structs.replace(audience.policy, holdout=1.0 if story.holdout == "global" else 0.0)
    segments = audience.segments | dict.fromkeys(story.customer.segments, Constant(True))
    ours = msgspec.structs.replace(audience, policy=policy, segments=segments)
    return Playbook([*plans, *_taggers((*story.before, *story.happens))], ours, {})


def world_of(story: Story, plans: Iterable[Plan], at: Micros) -> Given:
    """Return the coupon pools, counted arms and accounts of the story."""
    pools = {node.pool: _codes(node.pool, story) for plan in plans for node in plan.nodes if isinstance(node, Coupon)}
    arms = {
        (plan.journey, split): {arm: ArmResult(*counted) for arm, counted in said.items()}
        for plan in plans
        for split, said in story.results.items()
    }
    company = story.account
    if company is None:
        return Given(pools=pools, arms=arms)
    contacts = {role: cast(person, at, {"user_id": f"contact-{role}"}) for role, person in company.contacts.items()}
    account = Account(company.id, company.traits, {}, {role: contact.id for role, contact in contacts.items()})
    return Given(pools, arms, {company.id: account}, {contact.id: contact for contact in contacts.values()})


def customer_of(story: Story, at: Micros) -> Customer:
    """Return the story's customer as known before anything happens."""
    company: Company | None = story.account
    customer = cast(story.customer, at, {"user_id": "story"})
    return msgspec.structs.replace(customer, account=company.id) if company is not None else customer


def cast(person: Person, at: Micros, nobody: dict[str, str]) -> Customer:
    """Return somebody as known at `at`; `nobody` are the identifiers of one of whom none is told."""
    customer = identity.begin(person.identifiers or nobody, at)
    return msgspec.structs.replace(
        customer,
        traits=person.traits,
        consents={name: Consent(granted, at, "story") for name, granted in person.consents.items()},
        tags={name: Held(at, by="story") for name in person.tags},
        suppressed=dict.fromkeys(person.suppressed, "story"),
    )


# --- tags that somebody outside gives or takes --------------------------------------------------------


def tagger(marks: Iterable[str]) -> str:
    """Return the name of the hidden journey by which the line `tag +vip -new` happens."""
    return _TAGGING + " ".join(marks)


def is_ours(journey: str) -> bool:
    """Is it a hidden journey of the runner, of which nobody wants to read?"""
    return journey.startswith(_TAGGING)


def _taggers(lines: Iterable[Happens]) -> Iterator[Plan]:
    for marks in dict.fromkeys(line.tags for line in lines if line.kind == "tag"):
        add = tuple(mark[1:] for mark in marks if mark[0] == "+")
        remove = tuple(mark[1:] for mark in marks if mark[0] == "-")
        yield _manual(tagger(marks), Tag("1", add, remove))


def _manual(journey: str, node: Tag | Stop) -> Plan:
    """A journey that anybody may enter at any time, whatever they consented to."""
    return Plan(journey, journey, "retain", Manual(), (node,), "story", again=Again("always"), purpose="transactional")


# --- dice ---------------------------------------------------------------------------------------------


def _fixed(plan: Plan, story: Story) -> Plan:
    nodes = tuple(_forced(node, story.arms) if isinstance(node, Split) else node for node in plan.nodes)
    return msgspec.structs.replace(plan, nodes=nodes, holdout=1.0 if story.holdout == "journey" else 0.0)


def _forced(split: Split, arms: Mapping[str, str]) -> Split:
    chosen = arms.get(split.name)
    if chosen is None:
        return split
    fixed = tuple(msgspec.structs.replace(arm, share=1.0 if arm.name == chosen else 0.0) for arm in split.arms)
    return msgspec.structs.replace(split, arms=fixed, winner=None)


def _codes(pool: str, story: Story) -> list[str]:
    said = story.coupons.get(pool)
    return list(said) if said is not None else [f"CODE-{number}" for number in range(1, ENDLESS + 1)]
