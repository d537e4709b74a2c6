"""Templates and rendering: what marketers' files become, what they are told, and what a bomb may cost."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from channels import content as contents
from channels import html
from channels.content import EmailContent, SmsContent, WechatContent
from channels.render import Renderer, RenderSettings
from channels.templates import Library
from channels.text import BadTemplate, Text
from engine.core.commands import Touch
from engine.core.errors import Place, TemplateProblem
from engine.core.state import Customer
from journeys.lint.liquid import SUPPLIED

CUSTOMER = Customer(
    "c1", 1, identifiers={"email": ("old@brand.example", "mei@brand.example")}, traits={"name": "Mei & <Co>", "age": 30}
)
TOUCH = Touch(
    *("touch01", "r1", "welcome", "v1", "s1", "c1", "email", "hello", "mei@brand.example", "marketing"),
    planned=1_000_000,
    due=2_000_000,
    variables={"product": "Tea", "customer": "shadowed"},
    enter={"total": 12.5},
    arms={"subject": "a"},
)
SETTINGS = RenderSettings("Shop <news@brand.example>", brand="brand")
HTML = (
    "<html><body><p>Hi {{ customer.name }}, {{ product }}</p>"
    '<a href="https://brand.example/?a=1&amp;c={{ customer.id }}">'
    'shop</a><a href=\'mailto:x@y.z\'>m</a><a class="u" href="{{ unsubscribe_url }}">no more</a></body></html>'
)


class Links:
    """Readable stand-ins for signed addresses; recorded, so that a test can ask what was tracked."""

    def __init__(self) -> None:
        self.clicks: list[tuple[int, str]] = []

    def click(self, touch_id: str, index: int, url: str) -> str:
        self.clicks.append((index, url))
        return f"https://go.example/c/{touch_id}/{index}"

    def pixel(self, touch_id: str) -> str:
        return f"https://go.example/o/{touch_id}.gif"

    def unsubscribe(self, touch_id: str) -> str:
        return f"https://go.example/u/{touch_id}"

    def confirm(self, customer: str, scope: str, asked: int) -> str:
        return f"https://go.example/y/{customer}/{scope}/{asked}"

    def preferences(self, customer: str) -> str:
        return f"https://go.example/p/{customer}"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Library]:
    def make(folder: str = "hello", **files: str) -> Library:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return Library(tmp_path)

    return make


Make = Callable[..., Library]


def _email(library: Library, touch: Touch = TOUCH, links: Links | None = None) -> EmailContent:
    rendered = Renderer(library, links or Links(), SETTINGS).render(touch, CUSTOMER)
    return contents.decode(rendered.content, EmailContent)


def test_an_email_is_rendered_with_its_customer_and_escaped(make: Make) -> None:
    links = Links()
    library = make(subject="Hi {{ customer.name }} {{ enter.total }} {{ arms.subject }}\n", email__html=HTML)
    assert library.problems() == []
    email = _email(library, links=links)
    assert email.subject == "Hi Mei & <Co> 12.5 a"
    assert "<p>Hi Mei &amp; &lt;Co&gt;, Tea</p>" in email.html
    assert links.clicks == [(0, "https://brand.example/?a=1&c=c1")]
    assert 'href="https://go.example/c/touch01/0"' in email.html
    assert "href='mailto:x@y.z'" in email.html
    assert 'class="u" href="https://go.example/u/touch01"' in email.html
    assert re.search(r'<img src="https://go.example/o/touch01.gif"[^>]*></body></html>$', email.html)
    assert email.text.startswith("Hi Mei & <Co>, Tea")
    assert "shop (https://brand.example/?a=1&c=c1)" in email.text
    assert email.date == 2_000_000


def test_marketing_mail_can_be_left_with_one_click_and_a_receipt_cannot(make: Make) -> None:
    library = make(subject="Hi", email__txt="x")
    assert _email(library).headers == {
        "Feedback-ID": "welcome:hello:marketing:brand",
        "List-Unsubscribe": "<https://go.example/u/touch01>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    receipt = _email(library, replace(TOUCH, purpose="transactional"))
    assert receipt.headers["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in receipt.headers


def test_the_same_touch_renders_to_the_same_bytes(make: Make) -> None:
    library = make(subject="Hi", email__html=HTML)
    renderer = Renderer(library, Links(), SETTINGS)
    first, second = renderer.render(TOUCH, CUSTOMER), renderer.render(TOUCH, CUSTOMER)
    assert first == second
    assert first.hash != renderer.render(replace(TOUCH, id="touch02"), CUSTOMER).hash


def test_a_missing_variable_is_empty_and_default_fills_it(make: Make) -> None:
    library = make(subject="Hi {{ customer.nick }}|{{ customer.nick | default: 'friend' }}|{{ a.b.c }}", email__txt="x")
    assert _email(library).subject == "Hi |friend|"


@given(st.text(st.characters(exclude_characters="\r", codec="utf-8"), max_size=40))
def test_a_customers_data_is_never_a_template_nor_markup(name: str) -> None:
    text = Text("<b>{{ name }}</b>", Place("t", 1, 1), is_html=True)
    name = name + "{{ 7 | times: 7 }}{% for %}<script>"
    inner = text.render({"name": name})[3:-4]
    assert "<" not in inner and ">" not in inner
    assert "{{ 7 | times: 7 }}" in inner
    assert Text("{{ name }}", Place("t", 1, 1)).render({"name": name}) == name


def test_every_name_that_the_lint_lets_a_template_use_is_supplied(make: Make) -> None:
    names = sorted({*SUPPLIED, "coupon"})
    library = make(sms__yaml="text: '" + "".join(f"{{% if {name} %}}{name} {{% endif %}}" for name in names) + "'")
    touch = replace(TOUCH, channel="sms", coupon="SAVE-1", pool="SAVE")
    rendered = Renderer(library, Links(), SETTINGS).render(touch, CUSTOMER)
    assert contents.decode(rendered.content, SmsContent).text.split() == names


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"subject": "Hi {{ name", "email__txt": "x"}, "subject:1:4: '{{' is never closed"),
        ({"subject": "Hi", "email__txt": "a\n{% if x %}{% if y %}{% endif %}"}, "email.txt:2:1: "),
        ({"subject": "Hi", "email__txt": "a\n b {{ x | shout }}"}, "email.txt:2:11: unknown filter 'shout'"),
        ({"subject": "Hi", "email__txt": "{{ x | safe }}"}, "unknown filter 'safe'"),
        ({"subject": "Hi", "email__txt": "{% include 'secrets' %}"}, "email.txt:1:"),
        ({"subject": "Hi", "email__txt": "{{ 'now' | date: '%Y' }}"}, "the current time is not known here"),
        ({"subject": "Hi", "email__txt": "{{ 5 | divided_by: customer.x }}"}, "divide by 0"),
        ({"subject": "Hi"}, "an email lacks email.html or email.txt"),
        ({"email__txt": "x"}, "an email lacks subject"),
        ({"subject": "a\nb", "email__txt": "x"}, "the subject is not one line"),
        ({"sms__yaml": "text: hi\ntext: ho"}, "sms.yaml:2:1: the key 'text' stands twice"),
        ({"sms__yaml": "tekst: hi"}, "sms.yaml:1:8: the key 'tekst' is unknown; use text"),
        ({"sms__yaml": "- a"}, "the file is not a map"),
        ({"sms__yaml": "text: &a hi"}, "references"),
        ({"sms__yaml": "text: [a]"}, "only maps and texts"),
        ({"sms__yaml": "aliyun: {sign_name: Brand}"}, "'template_code' is missing"),
        (
            {"sms__yaml": "aliyun: {template_code: S, sign_name: B, params: {u: 'see https://x.example'}}"},
            "refuse a URL",
        ),
        ({"sms__yaml": "text: 'a"}, "this is not YAML"),
        ({"sms__yaml": "text: " + "[" * 500}, "this is not YAML"),
        ({"wechat__yaml": "type: card"}, "the type 'card' is unknown"),
        ({"wechat__yaml": "type: template\ntemplate_id: T"}, "needs `data`"),
        ({"wechat__yaml": "type: template\ndata: {a: b}"}, "'template_id' is missing"),
        ({"email__htm": "x"}, "this file means nothing here"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_remedy(make: Make, files: dict[str, str], told: str) -> None:
    library = make(**files)
    assert told in "\n".join(str(problem) for problem in library.problems())
    assert all(isinstance(problem, BadTemplate) and problem.place.file for problem in library.problems())


def test_a_sound_channel_stays_usable_beside_a_broken_one(make: Make) -> None:
    library = make(subject="Hi", email__txt="x", sms__yaml="nonsense")
    assert library.ids() == {"hello": {"email"}}
    with pytest.raises(TemplateProblem, match="no sound files for sms"):
        Renderer(library, Links(), SETTINGS).render(replace(TOUCH, channel="sms"), CUSTOMER)


def test_an_unknown_template_names_the_nearest(make: Make) -> None:
    with pytest.raises(TemplateProblem, match="did you mean 'hello'"):
        make(subject="Hi", email__txt="x").get("helo")


SMS = """aliyun:
  template_code: SMS_1
  sign_name: 茶舍
  params:
    name: '{{ customer.name }}'
text: 您好 {{ product }}
"""


def test_an_sms_has_text_values_without_controls(make: Make) -> None:
    customer = replace(CUSTOMER, traits={"name": " Mei\r\n\u202e 7 "})
    rendered = Renderer(make(sms__yaml=SMS), Links(), SETTINGS).render(replace(TOUCH, channel="sms"), customer)
    assert contents.decode(rendered.content, SmsContent) == SmsContent("您好 Tea", "SMS_1", "茶舍", {"name": "Mei 7"})


@pytest.mark.parametrize("name", ["https://evil.example", "WWW.evil.example", "x" * 36])
def test_a_value_that_carriers_refuse_is_told_at_its_place(make: Make, name: str) -> None:
    renderer = Renderer(make(sms__yaml=SMS), Links(), SETTINGS)
    with pytest.raises(BadTemplate, match=r"sms.yaml:5:11: the parameter 'name' came out"):
        renderer.render(replace(TOUCH, channel="sms"), replace(CUSTOMER, traits={"name": name}))


def test_a_template_message_is_tracked_cut_and_keyed(make: Make) -> None:
    library = make(
        wechat__yaml="type: template\ntemplate_id: T1\nurl: https://brand.example\n"
        "data: {thing1: '{{ product }}', phone_number2: '{{ phone }}', first: hi}"
    )
    renderer = Renderer(library, Links(), SETTINGS)
    touch = replace(TOUCH, channel="wechat", variables={"product": "茶" * 30, "phone": "+8613800138000"})
    rendered = renderer.render(touch, CUSTOMER)
    assert rendered.keyed
    assert contents.decode(rendered.content, WechatContent) == WechatContent(
        "template",
        "T1",
        "https://go.example/c/touch01/0",
        {"thing1": "茶" * 19 + "…", "phone_number2": "+8613800138000", "first": "hi"},
    )
    with pytest.raises(BadTemplate, match="phone_number2"):
        renderer.render(replace(touch, variables={"phone": "1" * 18}), CUSTOMER)


def test_a_customer_service_message_is_not_keyed(make: Make) -> None:
    touch = replace(TOUCH, channel="wechat")
    library = make(wechat__yaml="type: text\ntext: 您好 {{ product }}")
    rendered = Renderer(library, Links(), SETTINGS).render(touch, CUSTOMER)
    assert not rendered.keyed
    assert contents.decode(rendered.content, WechatContent).text == "您好 Tea"


def test_switches_turn_tracking_off(make: Make) -> None:
    links = Links()
    renderer = Renderer(
        make(subject="Hi", email__html=HTML), links, replace(SETTINGS, track_clicks=False, track_opens=False)
    )
    email = contents.decode(renderer.render(TOUCH, CUSTOMER).content, EmailContent)
    assert links.clicks == []
    assert "<img" not in email.html


def test_a_pixel_goes_to_the_end_where_there_is_no_body() -> None:
    assert html.add_pixel("<p>x</p>", "https://x/o").endswith('style="border:0">')


BOMBS = [
    "{% for i in (1..99999) %}{% for j in (1..99999) %}x{% endfor %}{% endfor %}",
    "{% for i in (1..99999999999) %}{% endfor %}",
    "{{ (1..99999999) | join: '' }}",
    "{{ (1..99999999) | reverse | first }}",
    "{% assign s = '" + "a" * 2000 + "' %}{{ s | replace: 'a', s | replace: 'a', s }}",
    "{% assign s = 'a' %}{% for i in (1..60) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
    "{% assign n = 9 %}{% for i in (1..4000) %}{% assign n = n | times: 999999999999 %}{% endfor %}{{ n }}",
    "{% for i in (1..4999) %}{{ '" + "x" * 1000 + "' }}{% endfor %}",
    "{% tablerow i in (1..99999999) cols:2 %}x{% endtablerow %}",
    "{% if a %}" * 3000 + "{% endif %}" * 3000,
    "{{" * 50_000,
    "{{ 'a' | split: '' | join: '" + "y" * 100_001 + "' }}",
    "x" * 200_001,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_a_template_bomb_is_stopped_with_its_place(bomb: str) -> None:
    started = time.process_time()
    with pytest.raises(BadTemplate, match=r"^bomb:1"):
        Text(bomb, Place("bomb", 1, 1)).render({})
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2026-03-01T10:00:00+08:00", "01.03. 10:00"),
        ("2026-03-01", "01.03. 00:00"),
        (1_772_330_400, "01.03. 02:00"),
        (1_772_330_400_000_000, "01.03. 02:00"),
        ("soon", "soon"),
        ("", ""),
        (None, ""),
    ],
)
def test_dates_are_written_without_a_clock_or_the_machines_zone(value: object, written: str) -> None:
    assert Text("{{ at | date: '%d.%m. %H:%M' }}", Place("t", 1, 1)).render({"at": value}) == written


@given(st.text(alphabet="{}%|ifor endas '\"\n.:0a", max_size=60))
def test_no_template_is_a_surprise(source: str) -> None:
    try:
        text = Text(source, Place("t", 1, 1), is_html=True)
        text.render({"a": {"a": [1, "x", None]}})
    except BadTemplate as problem:
        assert str(problem).startswith("t:")


def test_links_of_a_persons_own_choice_are_there_and_never_counted_as_clicks(make: Callable[..., Library]) -> None:
    page = '<a href="{{ preferences_url }}">p</a><a href="{{ confirm_url }}">c</a>'
    library = make(subject="hi", email__html=page, email__txt="{{ preferences_url }} {{ confirm_url }}")
    links = Links()
    asked = replace(TOUCH, enter={"purpose": "newsletter", "channel": "sms", "asked": 7})
    content = msgspec.msgpack.decode(Renderer(library, links, SETTINGS).render(asked, CUSTOMER).content)
    for text in (content["html"], content["text"]):
        assert f"https://go.example/p/{TOUCH.customer}" in text
        assert f"https://go.example/y/{TOUCH.customer}/newsletter:sms/7" in text
    assert links.clicks == []


def test_without_a_yes_to_confirm_there_is_no_confirmation_link(make: Callable[..., Library]) -> None:
    library = make(subject="hi", email__txt="[{{ confirm_url }}]")
    content = msgspec.msgpack.decode(Renderer(library, Links(), SETTINGS).render(TOUCH, CUSTOMER).content)
    assert content["text"] == "[]"
