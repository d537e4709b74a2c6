"""Journeys made up of every word of the language compile; with any one key misspelt they are complained of in place."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core import plan
from journeys import schema
from journeys.compile import load_journey
from journeys.flow import ways_on
from tests.journeys.json_schema import Schema

LENGTH = st.sampled_from(["90s", "15m", "1h", "3d", "2w", "1mo", "1d12h"])
EXACT = st.sampled_from(["15m", "1h", "3d"])
NAME = st.sampled_from(["welcome", "cart-rescue", "a", "dormant-30d"])
EVENT = st.sampled_from(["order_paid", "signed_up", "Order Completed"])
EVENTS = EVENT | st.lists(EVENT, min_size=1, max_size=3)
CLOCK = st.sampled_from(["09:30", "9:00", "23:59"])
CONDITION: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        ['tag("vip")', "customer.age > 18", 'count("order_paid", within="7d") > 0', 'not reachable("wechat")', True]
    ),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)}) | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=3,
)
EVENT_CONDITION = st.sampled_from(["event.total > 0", 'event.city == "Bonn" and enter.x != 3'])
VALUE = st.sampled_from(["customer.city", 'sum("order_paid", "total")', "plain words", 3, True, ["a", 1]])
VALUES = st.dictionaries(st.sampled_from(["city", "n"]), VALUE, max_size=2)
AGAIN = st.sampled_from(["never", "always", "after 3d"])
SHARE = st.sampled_from(["10%", 0.2, 0])


def form(needed: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return blocks with the needed keys and some of the others; `_` at the end of a name is left out."""
    return st.fixed_dictionaries(needed, optional={name.rstrip("_"): value for name, value in optional.items()})


EACH = EVENT | form({"on": EVENTS}, where=EVENT_CONDITION)
SEVERAL = st.lists(EACH, min_size=1, max_size=3)
AWAITED = (
    form({"on": EVENTS, "within": LENGTH}, where=EVENT_CONDITION, count=st.integers(1, 9), lookback=EXACT)
    | form({"all": SEVERAL, "within": LENGTH}, lookback=EXACT)
    | form({"any": SEVERAL, "within": LENGTH}, lookback=EXACT)
)
UNTIL = (
    CLOCK
    | form({"at": CLOCK}, weekday=st.sampled_from(["mon", "sun"]))
    | form({"date": st.just("enter.departure"), "at": CLOCK}, offset=st.sampled_from(["-1d", "2d"]))
)
TASK = form(
    {
        "to": st.sampled_from(["account.owner", "mei@brand.example", "ZhangSan"]),
        "title": st.just("Call {{ customer.name }}"),
    },
    due=LENGTH,
    note=st.just("Soon"),
)
HOOK = form({"url": st.just("https://crm.example/x")}, body=st.fixed_dictionaries({"a": VALUE, "b": st.just({"c": 1})}))
SMALL = st.one_of(
    form({"wait": LENGTH}),
    form({"wait until": UNTIL}),
    form(
        {"send": NAME, "via": st.sampled_from(["email", ["wechat", "sms"]])},
        with_=VALUES,
        expires=LENGTH,
        to=st.just({"role": "buyer"}),
        purpose=st.just("transactional"),
    ),
    form({"tag": st.sampled_from(["+a", "-b", {"add": ["a"], "for": "30d"}])}),
    form({"set": st.just({"customer.x": "enter.y"})}),
    form({"start": NAME}, with_=VALUES),
    form({"leave": NAME}),
    form({"task": TASK}),
    form({"webhook": HOOK}),
    form({"coupon": st.just("SPRING10")}),
)


def with_blocks(steps: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[Any]:
    arm = form({"share": st.integers(1, 9)}, steps=steps)
    return st.one_of(
        form({"wait for": AWAITED}, then=steps, else_=steps),
        form({"wait while": CONDITION, "within": LENGTH}, then=steps, else_=steps),
        form({"wait while": CONDITION}, then=steps),
        form({"if": CONDITION, "then": steps}, else_=steps),
        form({"choose": st.tuples(form({"if": CONDITION, "then": steps}), form({"else": steps})).map(list)}),
        form(
            {"split": NAME, "arms": st.fixed_dictionaries({"a": arm, "b": arm})},
            winner=form({}, by=st.sampled_from(["click", "open", "convert"]), after=st.integers(10, 999)),
        ),
        form({"repeat": form({"every": LENGTH, "times": st.integers(1, 9)}, until=CONDITION), "steps": steps}),
        form({"coupon": st.just("SPRING10"), "else": steps}),
    )


STEPS = st.recursive(
    st.lists(SMALL, min_size=1, max_size=3),
    lambda inner: st.lists(SMALL | with_blocks(inner), min_size=1, max_size=3),
    max_leaves=6,
)
NEWS = {"where": CONDITION, "again": AGAIN, "holdout": SHARE}
ENTER = st.one_of(
    form({"on": EVENTS}, where=st.just("event.x > 1"), key=st.just("event.x"), again=AGAIN, holdout=SHARE),
    form({"segment": NAME}, existing=st.booleans(), **NEWS),
    form({"leaves": NAME}, **NEWS),
    form({"stage": st.sampled_from(["acquire", "retain"])}, **NEWS),
    form({"tag": NAME}, **NEWS),
    form({"loses": NAME}, **NEWS),
    form({"changed": st.just("customer.city")}, **NEWS),
    form({"date": st.just("customer.birthday")}, offset=st.just("-3d"), at=CLOCK, **NEWS),
    form({"every": st.just("0 10 * * MON"), "zone": st.just("UTC")}, audience=CONDITION, again=AGAIN),
    form({"once": st.just("2026-11-11T00:00+08:00")}, audience=CONDITION, holdout=SHARE),
    form({"manual": st.just(True)}, where=CONDITION, key=st.just("enter.x")),
)
JOURNEY = form(
    {
        "journey": NAME,
        "stage": st.sampled_from(["activate", "refer"]),
        "enter": ENTER,
        "goal": form({"on": EVENTS, "within": EXACT}, where=EVENT_CONDITION, value=st.just("event.total")),
        "steps": STEPS,
    },
    title=st.just("标题"),
    plan=form({}, goal=st.just("more"), owner=st.just("mei"), budget=st.just("5000 CNY")),
    exit=st.lists(form({"on": EVENTS}, where=EVENT_CONDITION) | form({"when": CONDITION}), max_size=2),
    quiet=st.just("21:00-09:00") | form({"hours": st.just("21:00-09:00")}, late=st.just("drop")),
    expires=LENGTH,
    priority=st.integers(-9, 9),
    purpose=st.just("transactional"),
    in_flight=st.sampled_from(["pin", "drain", "migrate", {"migrate": {"9": "1"}}]),
)
FREE = {"with", "set", "body", "b", "arms", "migrate"}
"""Blocks whose keys are the marketer's own."""

relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SCHEMA = Schema(schema.schema())


@relaxed
@given(JOURNEY)
def test_a_journey_of_any_words_compiles_to_a_whole_road(body: dict[str, Any]) -> None:
    loaded = load_journey(json.dumps(body, ensure_ascii=False), "a.yaml")
    assert [str(one) for one in loaded.problems] == []
    made = loaded.plan
    assert made is not None
    assert plan.decode(plan.encode(made)) == made
    assert {way for node in made.nodes for way in ways_on(node)} <= {*made.steps, ""}
    assert loaded.places.keys() == made.steps.keys()
    assert SCHEMA.faults(body) == []


@relaxed
@given(JOURNEY, st.data())
def test_any_one_misspelt_key_is_complained_of_where_it_stands(body: dict[str, Any], data: st.DataObject) -> None:
    body = json.loads(json.dumps(body))  # what is drawn may be drawn again: it is not changed
    holder, key = data.draw(st.sampled_from(_keys(body)), label="key")
    items = list(holder.items())
    holder.clear()
    holder.update({name + "zz" if name == key else name: value for name, value in items})
    text = json.dumps(body, indent=1, ensure_ascii=False)
    lines = [number for number, line in enumerate(text.split("\n"), 1) if f'"{key}zz":' in line]
    assert len(lines) == 1
    problems = load_journey(text, "a.yaml").problems
    assert problems
    at = {problem.place.line for problem in problems if problem.severity == "error"}
    opening = _opening(text.split("\n"), lines[0])
    assert at & {lines[0], opening}, [str(problem) for problem in problems]


def _keys(value: Any, is_free: bool = False) -> list[tuple[dict[str, Any], str]]:
    """Return every key of the language with the block that holds it."""
    if isinstance(value, list):
        return [one for item in value for one in _keys(item)]
    if not isinstance(value, dict):
        return []
    own = [] if is_free else [(value, key) for key in value]
    told = {key: inner for key, inner in value.items() if key != "body"}  # a webhook's body is free all the way down
    return own + [one for key, inner in told.items() for one in _keys(inner, key in FREE and not is_free)]


def _opening(lines: list[str], number: int) -> int:
    """Return the line on which the block that holds this line's key begins."""
    indent = len(lines[number - 1]) - len(lines[number - 1].lstrip())
    return next(at for at in range(number - 1, 0, -1) if len(lines[at - 1]) - len(lines[at - 1].lstrip()) < indent)
