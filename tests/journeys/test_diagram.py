"""Drawings of plans: the layers, the SVG, the Mermaid flowchart and the tree of the terminal."""

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.ids import DAY, HOUR
from engine.core.plan import Arm, OnEvent, Plan, Repeat, Send, Span, Split, Stop, Wait
from journeys.compile import load_journey
from journeys.drawing.layering import GAP_X, Size, lay_out
from journeys.drawing.marks import JourneyCount, StepCount, endings, marks_of
from journeys.drawing.mermaid import mermaid
from journeys.drawing.outline import outline
from journeys.drawing.svg import svg
from journeys.widths import width, wrap

LIBRARY = sorted(
    path
    for path in (Path(__file__).parents[2] / "journeys" / "library").glob("*/*/*.yaml")
    if ".story." not in path.name and path.parent.name != "audience"
)
SVG = "{http://www.w3.org/2000/svg}"

ROUND = Plan(
    "round", "Round & <again>", "retain", OnEvent(("order_delivered",)),
    (
        Repeat("1", Span(7 * DAY), 4, body="1.1", next="2"),
        Send("1.1", "please-review", ("email",), next="1.2"),
        Wait("1.2", Span(HOUR), next="1"),
        Split("2", "offer", (Arm("nothing", 0.5, "3"), Arm("优惠券", 0.5, "2.arms.x.1"))),
        Send("2.arms.x.1", "coupon", ("sms",), next="3"),
        Stop("3"),
    ),
    "v1",
)  # fmt: skip


def plan_of(path: Path) -> Plan:
    plan = load_journey(path.read_bytes(), path.name).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_library_journey_is_drawn_with_every_box_and_arrow(path: Path, lang: str) -> None:
    plan = plan_of(path)
    drawn = ElementTree.fromstring(svg(plan, lang))
    assert len(drawn.findall(f".//{SVG}rect")) == len(plan.nodes) + 2
    assert len(drawn.findall(f"{SVG}path[@class='edge']")) >= len(plan.nodes) + 1
    assert drawn.find(f"{SVG}title") is not None


def test_text_in_a_drawing_is_escaped_and_nothing_is_fetched() -> None:
    hostile = Plan("x", '</style><script>alert("1")</script>', "retain", OnEvent(("<b>&\x00",)), (Stop("1"),))
    drawn = svg(hostile)
    ElementTree.fromstring(drawn)
    assert "<script>" not in drawn
    assert drawn.count("http") == 1  # the name of SVG itself


def test_a_drawing_knows_light_and_dark() -> None:
    assert "@media (prefers-color-scheme: dark)" in svg(ROUND)


def test_figures_stand_in_their_boxes() -> None:
    counts = JourneyCount({"1.1": StepCount(sent=800, clicked=70), "1.2": StepCount(standing=3)}, {"completed": 9})
    marks = marks_of(ROUND, counts)
    assert marks == {"": "12 entered", "1.1": "800 sent · 70 clicked", "1.2": "3 here"}
    assert "800 sent · 70 clicked" in svg(ROUND, "en", marks)
    assert "800 sent · 70 clicked" in mermaid(ROUND, "en", marks)
    assert any(line.endswith("800 sent · 70 clicked") for line in outline(ROUND, "en", marks))
    assert endings(counts) == "9 completed"
    left = JourneyCount(outcomes={"exited:no_coupon": 2, "exited:event": 1})
    assert endings(left) == "2 left without a coupon code · 1 left on an event"
    assert endings(left, "zh") == "2 因券池已空离开 · 1 因事件离开"


def test_the_tree_shows_arms_with_and_without_steps() -> None:
    assert outline(ROUND) == [
        "● on order_delivered",
        "├ 1  repeat every 7 days, at most 4 times",
        "│  afterwards → 2",
        "│  each round:",
        "│  ├ 1.1  send please-review by email",
        "│  ├ 1.2  wait 1 hour",
        "├ 2  split offer",
        "│  nothing → 3",
        "│  优惠券:",
        "│  ├ 2.arms.x.1  send coupon by sms",
        "├ 3  stop",
        "○ the end",
    ]


def test_a_round_leads_back_up_and_everything_else_leads_down() -> None:
    edges = [("1", "1.1"), ("1.1", "1.2"), ("1.2", "1"), ("1", "2")]
    found = lay_out({name: Size(100, 30) for name in ("1", "1.1", "1.2", "2")}, edges)
    y = {name: point.y for name, point in found.centres.items()}
    assert y["1"] < y["1.1"] < y["1.2"]
    assert y["1"] < y["2"]
    assert len(found.bends[2]) == 1  # the way back passes the layer between


@given(
    st.integers(2, 14).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30))
)
def test_boxes_never_overlap_whatever_the_graph(edges: list[tuple[int, int]]) -> None:
    names = [str(n) for n in range(15)]
    sizes = {name: Size(40 + 13 * (int(name) % 5), 20 + 9 * (int(name) % 3)) for name in names}
    found = lay_out(sizes, [(str(a), str(b)) for a, b in edges if a != b])
    for one, other in combinations(names, 2):
        a, b = found.centres[one], found.centres[other]
        apart_x = abs(a.x - b.x) >= (sizes[one].width + sizes[other].width) / 2 + GAP_X - 0.5
        apart_y = abs(a.y - b.y) >= (sizes[one].height + sizes[other].height) / 2
        assert apart_x or apart_y
    for name in names:
        assert 0 <= found.centres[name].x <= found.size.width
        assert 0 <= found.centres[name].y <= found.size.height


@given(st.text(alphabet="ab 购物,车é", max_size=80), st.integers(2, 20))
def test_wrapped_text_keeps_every_letter_and_its_width(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line) <= columns for line in lines)
