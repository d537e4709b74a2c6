"""Every template of the libraries is sound, has all its variables, and reads well in both languages."""

import re
from pathlib import Path

import msgspec
import pytest

from channels.content import EmailContent, PushContent, SmsContent, WechatContent, WecomContent
from channels.render import Renderer, RenderSettings
from channels.templates import Library
from engine.core.commands import Touch
from engine.core.plan import STAGES, Send
from engine.core.state import Customer
from journeys.compile import load_journey

FOLDERS = sorted((Path(__file__).parents[2] / "journeys" / "library").iterdir())
LIBRARIES = {folder.name: Library(folder / "templates") for folder in FOLDERS}
CASES = [
    (name, template, channel)
    for name, library in LIBRARIES.items()
    for template, channels in sorted(library.ids().items())
    for channel in sorted(channels)
]
VARIABLES = {
    "total": 260,
    "product": "coffee",
    "code": "K-1",
    "expires_on": "2026-04-01",
    "favourite": "tea",
    "trial_ends": "2026-04-01",
    "renews_on": "2026-04-01",
    "seats": 20,
    "invoice": "I-7",
    "amount": 800,
    "team": "Beta",
    "topic": "food",
    "price": 168,
}


class Links:
    def click(self, touch_id: str, index: int, url: str) -> str:
        return f"https://t.example/c/{touch_id}/{index}"

    def pixel(self, touch_id: str) -> str:
        return f"https://t.example/o/{touch_id}"

    def unsubscribe(self, touch_id: str) -> str:
        return f"https://t.example/u/{touch_id}"

    def confirm(self, customer: str, scope: str, asked: int) -> str:
        return f"https://t.example/y/{customer}/{scope}/{asked}"

    def preferences(self, customer: str) -> str:
        return f"https://t.example/p/{customer}"


def render(case: tuple[str, str, str], traits: dict[str, str], **variables: object) -> str:
    name, template, channel = case
    touch = Touch(
        *("t1", "r1", "j", "v1", "1", "c1", channel, template, "a@b.example", "marketing", 1, 1),
        variables=variables,
        coupon="SAMPLE-1",
    )
    renderer = Renderer(LIBRARIES[name], Links(), RenderSettings(sender="Shop <hello@shop.example>"))
    content = renderer.render(touch, Customer("c1", 1, traits=traits)).content
    match channel:
        case "email":
            email = msgspec.msgpack.decode(content, type=EmailContent)
            assert ("https://t.example/u/t1" in email.html) == ("https://t.example/u/t1" in email.text)
            assert "\n" not in email.subject
            return "\n".join([email.subject, email.html, email.text])
        case "sms":
            sms = msgspec.msgpack.decode(content, type=SmsContent)
            assert sms.text.endswith("拒收请回复R")
            return sms.text
        case "wechat":
            wechat = msgspec.msgpack.decode(content, type=WechatContent)
            return wechat.text + "".join(map(str, wechat.data.values()))
        case "wecom":
            wecom = msgspec.msgpack.decode(content, type=WecomContent)
            return wecom.text + "".join(wecom.link.values())
        case "push":
            push = msgspec.msgpack.decode(content, type=PushContent)
            return f"{push.title}\n{push.body}"
        case _:
            raise AssertionError(channel)


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_templates_have_no_problems(name: str) -> None:
    assert [str(problem) for problem in LIBRARIES[name].problems()] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_variable_that_a_journey_gives_is_one_of_these_tests(folder: Path) -> None:
    for path in (path for stage in STAGES for path in (folder / stage).glob("*.yaml") if ".story." not in path.name):
        plan = load_journey(path.read_bytes(), path.name).plan
        assert plan is not None
        for node in plan.nodes:
            if isinstance(node, Send):
                assert node.variables.keys() <= VARIABLES.keys()


@pytest.mark.parametrize("case", CASES, ids="/".join)
def test_a_letter_greets_by_name_and_by_no_name_and_speaks_the_customers_language(case: tuple[str, str, str]) -> None:
    english = render(case, {"name": "Mei", "language": "en"}, **VARIABLES)
    nameless = render(case, {"language": "en"})
    chinese = render(case, {"name": "美", "language": "zh"}, **VARIABLES)
    for text in (english, nameless, chinese):
        assert "{{" not in text and "{%" not in text
        assert not re.search(r"\bnil\b|\bNone\b", text)
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    if case[2] == "email":
        assert "Hi Mei," in english
        assert "Hi there," in nameless
        assert "美，" in chinese
    if case[2] in {"email", "push", "wecom"}:
        assert not re.search(r"[\u4e00-\u9fff]", english)
