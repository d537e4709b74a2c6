"""Every template of the library is sound, has all its variables, and reads well in both languages."""

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

FOLDER = Path(__file__).parents[2] / "journeys" / "library" / "e-commerce"
LIBRARY = Library(FOLDER / "templates")
CASES = [(name, channel) for name, channels in sorted(LIBRARY.ids().items()) for channel in sorted(channels)]
KINDS: dict[str, type[EmailContent | SmsContent | WechatContent | WecomContent | PushContent]] = {
    "email": EmailContent,
    "sms": SmsContent,
    "wechat": WechatContent,
    "wecom": WecomContent,
    "push": PushContent,
}


class Links:
    def click(self, touch_id: str, index: int, url: str) -> str:
        return f"https://t.example/c/{touch_id}/{index}"

    def pixel(self, touch_id: str) -> str:
        return f"https://t.example/o/{touch_id}"

    def unsubscribe(self, touch_id: str) -> str:
        return f"https://t.example/u/{touch_id}"


def render(template: str, channel: str, traits: dict[str, str], **variables: object) -> str:
    touch = Touch(
        "t1", "r1", "j", "v1", "1", "c1", channel, template, "a@b.example", "marketing", 1, 1, variables=variables
    )
    settings = RenderSettings(sender="Shop <hello@shop.example>", wecom_sender="LiLei")
    renderer = Renderer(LIBRARY, Links(), settings)
    content = msgspec.msgpack.decode(
        renderer.render(touch, Customer("c1", 1, traits=traits)).content, type=KINDS[channel]
    )
    match content:
        case EmailContent():
            assert "https://t.example/u/t1" in content.html
            assert "https://t.example/u/t1" in content.text
            assert "\n" not in content.subject
            return "\n".join([content.subject, content.html, content.text])
        case SmsContent():
            assert content.text.endswith("拒收请回复R")
            return content.text
        case WechatContent():
            return content.text + "".join(map(str, content.data.values()))
        case WecomContent():
            return content.text + "".join(content.link.values())
        case PushContent():
            return f"{content.title} {content.body}"


def test_the_templates_have_no_problems() -> None:
    assert [str(problem) for problem in LIBRARY.problems()] == []


def test_every_variable_is_given_by_the_journey_that_sends_it() -> None:
    for path in (path for stage in STAGES for path in (FOLDER / stage).glob("*.yaml") if ".story." not in path.name):
        plan = load_journey(path.read_bytes(), path.name).plan
        assert plan is not None
        for node in plan.nodes:
            if isinstance(node, Send):
                assert [str(one) for one in LIBRARY.undefined(node.template, node.variables)] == []


@pytest.mark.parametrize(("template", "channel"), CASES)
def test_a_letter_greets_by_name_and_by_no_name_and_speaks_the_customers_language(template: str, channel: str) -> None:
    english = render(template, channel, {"name": "Mei", "language": "en"}, total=260, product="coffee")
    nameless = render(template, channel, {"language": "en"})
    chinese = render(template, channel, {"name": "美", "language": "zh"}, total=260, product="咖啡")
    for text in (english, nameless, chinese):
        assert "{{" not in text and "{%" not in text
        assert not re.search(r"\bnil\b|\bNone\b", text)
    if channel == "email":
        assert "Hi Mei," in english
        assert "Hi there," in nameless
        assert "美，" in chinese
        assert not re.search(r"[\u4e00-\u9fff]", english)
