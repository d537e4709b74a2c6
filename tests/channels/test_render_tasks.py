"""Tasks, webhooks and the templates of WeCom, push and webhooks: what a touch becomes before it leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from channels import content as contents
from channels.content import EmailContent, PushContent, WebhookContent, WecomContent
from channels.envelope import LIMIT
from channels.render import PUSH_LIMIT, WECOM_LIMITS, Renderer, RenderSettings
from channels.templates import Library
from channels.text import BadTemplate
from engine.core.commands import Touch
from engine.core.errors import TemplateProblem
from engine.core.state import Account, Customer
from engine.ports import Rendered

DUE = 1_772_416_800_000_000  # 2026-03-02 10:00 in Shanghai
MEI = Customer(
    "c1", 1, identifiers={"user_id": ("u1",), "phone": ("+8613800138000",)}, traits={"name": "Mei", "city": "Shanghai"}
)
TASK = Touch(
    *("touch01", "r1", "big-deal", "v1", "3", "c1", "email", "task", "li@brand.example", "internal"),
    planned=1_772_330_400_000_000,
    due=1_772_330_400_000_000,
    variables={"title": "Call {{ customer.name }}", "note": "Bought {{ enter.product }}", "due": DUE},
    enter={"product": "Tea"},
    kind="task",
)
HOOK = replace(TASK, channel="webhook", template="webhook", address="https://crm.example/hooks", kind="webhook")
SENT = replace(TASK, kind="message", template="hello", variables={"product": "Tea"}, purpose="marketing")


class Links:
    """Readable stand-ins for signed addresses, counted."""

    made = 0

    def click(self, touch_id: str, index: int, url: str) -> str:
        self.made += 1
        return f"https://go.example/c/{touch_id}/{index}"

    def pixel(self, touch_id: str) -> str:
        self.made += 1
        return f"https://go.example/o/{touch_id}.gif"

    def unsubscribe(self, touch_id: str) -> str:
        return f"https://go.example/u/{touch_id}"

    def confirm(self, customer: str, scope: str, asked: int) -> str:
        return f"https://go.example/y/{customer}/{scope}/{asked}"

    def preferences(self, customer: str) -> str:
        return f"https://go.example/p/{customer}"


Render = Callable[..., Rendered]


@pytest.fixture
def links() -> Links:
    return Links()


@pytest.fixture
def render(tmp_path: Path, links: Links) -> Render:
    def render(touch: Touch, customer: Customer = MEI, files: dict[str, str] | None = None, **said: Any) -> Rendered:
        for name, text in (files or {}).items():
            (tmp_path / "hello").mkdir(exist_ok=True)
            (tmp_path / "hello" / name).write_text(text, encoding="utf-8")
        library = Library(tmp_path)
        assert library.problems() == []
        settings = RenderSettings(**{"sender": "Shop <news@brand.example>", "zone": "Asia/Shanghai", **said})
        return Renderer(library, links, settings).render(touch, customer)

    return render


# --- tasks


def _mail(rendered: Rendered) -> EmailContent:
    return contents.decode(rendered.content, EmailContent)


def test_a_task_by_email_is_a_plain_letter_that_tracks_nothing(render: Render, links: Links) -> None:
    mail = _mail(render(TASK))
    assert mail.subject == "Call Mei"
    assert mail.text == (
        "Bought Tea\n\nDue: 2026-03-02 10:00 (Asia/Shanghai)\n"
        "Customer: Mei, user_id u1, phone +8613800138000, id c1\nJourney: big-deal / 3\nNumber: touch01\n"
    )
    assert (mail.html, mail.from_, mail.date) == ("", "Shop <news@brand.example>", TASK.planned)
    assert mail.headers == {"Auto-Submitted": "auto-generated"}
    assert links.made == 0


def test_a_task_speaks_chinese_where_the_workspace_does(render: Render) -> None:
    task = replace(TASK, variables={"title": "致电 {{ customer.name }}"})
    assert _mail(render(task, lang="zh")).text == (
        "客户：Mei, user_id u1, phone +8613800138000, id c1\n旅程：big-deal / 3\n编号：touch01\n"
    )


def test_a_task_over_wecom_is_one_text_that_is_never_another_ones(render: Render) -> None:
    rendered = render(replace(TASK, channel="wecom", address="LiLei"))
    content = contents.decode(rendered.content, WecomContent)
    assert content.to == "colleague" and rendered.keyed
    assert content.text.startswith("Call Mei\n\nBought Tea\n\nDue: ") and content.text.endswith("touch01")
    other = render(replace(TASK, channel="wecom", address="LiLei", id="touch02"))
    assert other.content != rendered.content
    assert render(replace(TASK, channel="wecom", address="LiLei")) == rendered


def test_a_long_note_is_cut_for_wecom_and_who_it_is_about_stays(render: Render) -> None:
    task = replace(TASK, channel="wecom", variables={"title": "Call", "note": "很长的说明" * 800})
    text = contents.decode(render(task).content, WecomContent).text
    assert len(text.encode()) <= WECOM_LIMITS["colleague"]
    assert "…\n\nCustomer: Mei" in text and text.endswith("touch01")


def test_a_task_whose_title_comes_out_empty_still_says_what_it_is(render: Render) -> None:
    empty = replace(TASK, variables={"title": "{{ customer.nothing }}", "note": ""})
    assert _mail(render(empty)).subject == "Task"
    assert _mail(render(empty, lang="zh")).subject == "任务"


def test_a_customers_name_stays_one_line_and_is_never_a_template(render: Render) -> None:
    mallory = replace(MEI, traits={"name": "{{ 7 | times: 7 }}\r\nBcc: all@brand.example"})
    mail = _mail(render(TASK, mallory))
    assert mail.subject == "Call {{ 7 | times: 7 }} Bcc: all@brand.example"
    assert "\nBcc" not in mail.text


def test_a_broken_title_names_its_journey_and_step(render: Render) -> None:
    with pytest.raises(BadTemplate, match="big-deal, step 3, title:1:6"):
        render(replace(TASK, variables={"title": "Call {{ customer.name"}))


# --- webhooks


def _hook(rendered: Rendered) -> tuple[str, dict[str, Any]]:
    content = contents.decode(rendered.content, WebhookContent)
    return content.url, json.loads(content.body)


def test_a_webhook_says_where_in_which_journey_and_of_whom_it_is(render: Render) -> None:
    body = {"name": "小明", "total": 12.5, "tags": ["a"], "deep": {"none": None}}
    rendered = render(replace(HOOK, variables=body))
    assert _hook(rendered) == (
        "https://crm.example/hooks",
        {
            **{"type": "journey.webhook", "timestamp": "2026-03-01T02:00:00Z", "journey": "big-deal", "version": "v1"},
            **{"run": "r1", "step": "3", "customer": "c1", "data": body},
        },
    )
    assert rendered.keyed and rendered == render(replace(HOOK, variables=dict(reversed(body.items()))))


def test_a_webhook_that_is_too_large_is_refused_before_it_leaves(render: Render) -> None:
    with pytest.raises(BadTemplate, match="bytes"):
        render(replace(HOOK, variables={"much": "x" * LIMIT}))


def test_a_message_by_webhook_fills_the_body_of_its_template(render: Render) -> None:
    file = (
        "url: 'https://crm.example/{{ customer.id | url_encode }}'\n"
        "body:\n  name: '{{ customer.name }}'\n  deep:\n    product: '{{ product }}'\n"
    )
    url, said = _hook(render(replace(SENT, channel="webhook"), files={"webhook.yaml": file}))
    assert (url, said["type"]) == ("https://crm.example/c1", "journey.message")
    assert said["data"] == {"name": "Mei", "deep": {"product": "Tea"}}


def test_a_message_by_webhook_without_a_body_carries_what_the_send_gives(render: Render) -> None:
    _, said = _hook(render(replace(SENT, channel="webhook"), files={"webhook.yaml": "url: https://crm.example\n"}))
    assert said["data"] == {"product": "Tea"}


@pytest.mark.parametrize("url", ["{{ customer.nothing }}", "{{ customer.name }}", "https://a b/", "https://[x/"])
def test_an_address_that_comes_out_as_none_is_refused(render: Render, url: str) -> None:
    with pytest.raises(BadTemplate, match="no URL"):
        render(replace(SENT, channel="webhook"), files={"webhook.yaml": f"url: '{url}'\n"})


# --- WeCom customers, push, coupons


def test_a_customers_wecom_message_names_the_member_who_writes(render: Render) -> None:
    file = (
        "text: 'Hello {{ customer.name }}'\nsender: '{{ customer.owner }}'\n"
        "link: {title: Shop, url: 'https://shop.example/', description: New}\n"
    )
    rendered = render(replace(SENT, channel="wecom"), files={"wecom.yaml": file}, wecom_sender="LiLei")
    content = contents.decode(rendered.content, WecomContent)
    link = {"title": "Shop", "url": "https://go.example/c/touch01/0", "description": "New"}
    assert content == WecomContent("customer", "Hello Mei", "LiLei", link)
    assert not rendered.keyed
    owned = replace(MEI, traits={"owner": "HanMei"})
    rendered = render(replace(SENT, channel="wecom"), owned, wecom_sender="LiLei")
    assert contents.decode(rendered.content, WecomContent).sender == "HanMei"


def test_a_wecom_message_that_nobody_would_send_is_refused(render: Render) -> None:
    with pytest.raises(BadTemplate, match="no member is named"):
        render(replace(SENT, channel="wecom"), files={"wecom.yaml": "text: Hello\n"})


def test_a_notification_has_title_body_and_data_for_the_app(render: Render) -> None:
    file = (
        "title: 'Hi {{ customer.name }}'\nbody: Your tea is here\ndata: {screen: orders, id: '{{ enter.product }}'}\n"
    )
    rendered = render(replace(SENT, channel="push"), files={"push.yaml": file})
    content = contents.decode(rendered.content, PushContent)
    assert content == PushContent("Hi Mei", "Your tea is here", {"screen": "orders", "id": "Tea"})


def test_a_notification_that_is_too_large_or_empty_is_refused(render: Render) -> None:
    for body, why in (("{{ customer.story }}", "bytes"), ("{{ customer.nothing }}", "empty")):
        told = replace(MEI, traits={"story": "长" * PUSH_LIMIT})
        file = f"title: '{{{{ customer.nothing }}}}'\nbody: '{body}'\n"
        with pytest.raises(BadTemplate, match=why):
            render(replace(SENT, channel="push"), told, files={"push.yaml": file})


def test_the_coupon_of_the_run_is_there_for_every_template(render: Render) -> None:
    file = "title: Gift\nbody: '{{ coupon.code }}'\n"
    touch = replace(SENT, channel="push", coupon="SPRING-1", pool="SPRING")
    assert contents.decode(render(touch, files={"push.yaml": file}).content, PushContent).body == "SPRING-1"


def test_templates_know_the_customers_company_and_who_is_written_to(render: Render, tmp_path: Path) -> None:
    file = "title: '{{ account.name }}'\nbody: '{{ contact.name }} about {{ customer.name }}'\n"
    touch = replace(SENT, channel="push")
    alone = contents.decode(render(touch, files={"push.yaml": file}).content, PushContent)
    assert (alone.title, alone.body) == ("", "Mei about Mei")
    boss = Customer("c2", 1, traits={"name": "Han"})
    account = Account("acme", {"name": "ACME", "id": "no id of ours"})
    rendered = Renderer(Library(tmp_path), Links(), RenderSettings("x@y.example")).render(touch, MEI, account, boss)
    assert contents.decode(rendered.content, PushContent) == PushContent("ACME", "Han about Mei")


# --- files


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("wecom.yaml", "sender: LiLei\n", "'text' is missing"),
        ("wecom.yaml", "text: x\nlink: {title: x}\n", "a link needs `title` and `url`"),
        ("wecom.yaml", "text: x\nlink: {titel: x}\n", "the key 'titel' is unknown; use title"),
        ("push.yaml", "title: x\n", "'body' is missing"),
        ("push.yaml", "title: x\nbody: y\ndata: {google.x: y}\n", "the push service's own"),
        ("webhook.yaml", "body: {a: b}\n", "'url' is missing"),
        ("webhook.yaml", "url: x\nbdy: {a: b}\n", "the key 'bdy' is unknown; use body"),
        ("webhook.yaml", "url: https://a.example\nbody: text\n", "'body' is not a map"),
        ("webhook.yaml", "url: 'https://{{ x'\n", "is never closed"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(tmp_path: Path, file: str, text: str, problem: str) -> None:
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / file).write_text(text, encoding="utf-8")
    library = Library(tmp_path)
    assert [problem in str(one) and f"hello/{file}:" in str(one) for one in library.problems()] == [True]
    assert library.ids() == {"hello": set()}


def test_a_channel_without_a_file_is_told_by_the_templates_name(render: Render) -> None:
    with pytest.raises(TemplateProblem, match="no sound files for push"):
        render(replace(SENT, channel="push"), files={"webhook.yaml": "url: https://crm.example\n"})
