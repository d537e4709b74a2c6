"""From the sign-up to the first letter, and to the last: a daemon, its sandbox, and the links in its own mails."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from engine.cli.main import app
from tests.integration.served_shop import Running, accepted, noon_zone, serving, until

MAIL = "an@home.example"
BROWSER = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)", "Accept-Language": "en"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    root = tmp_path / "magazine"
    assert CliRunner().invoke(app, ["init", str(root), "--library", "content"]).exit_code == 0
    with serving(root) as running:
        yield running


def mails(running: Running) -> list[EmailMessage]:
    """Return what was sent to her so far, oldest first."""
    found = []
    for line in accepted(running, MAIL):
        raw = httpx.get(f"{running.inbox}/_accepted/{line['seq']}", trust_env=False).content
        found.append(message_from_bytes(raw, _class=EmailMessage, policy=policy.default))
    return found


def link(running: Running, mail: EmailMessage, kind: str) -> str:
    """Return the link of that kind in the mail's text, as it is reached in this test."""
    body = mail.get_body(("plain",))
    assert body is not None
    found = re.search(rf"https?://\S+?(/t/{kind}/\S+)", body.get_content())
    assert found is not None, body.get_content()
    return running.address + found[1]


def press(url: str, **fields: str) -> httpx.Response:
    return httpx.post(url, data=fields, headers=BROWSER, trust_env=False, timeout=30)


def look(url: str) -> httpx.Response:
    return httpx.get(url, headers=BROWSER, trust_env=False, timeout=30)


def words(running: Running) -> list[tuple[str, str, str]]:
    return [(one["name"], one["word"], one["source"]) for one in running.data("consent", "log", "an")]


def sign_up(running: Running) -> None:
    traits = {"email": MAIL, "name": "An", "timezone": noon_zone(), "consents": {"marketing": True}}
    told = {"type": "identify", "userId": "an", "traits": traits, "proof": "footer form, wording 7"}
    assert running.post(told).status_code == 200


def test_a_sign_up_is_asked_confirmed_written_to_and_let_go(running: Running) -> None:
    sign_up(running)
    [asks] = until(lambda: mails(running))
    assert asks["subject"] == "Please confirm your subscription"
    assert asks["list-unsubscribe"] is None
    assert [word for _, word, _ in words(running)] == ["asked"]
    assert running.data("consent", "log", "an")[0]["proof"] == "footer form, wording 7"

    confirm = link(running, asks, "y")
    for _ in range(3):  # a scanner looks as often as it likes
        assert "do you want to receive these messages from us: letters?" in look(confirm).text.lower()
    assert [word for _, word, _ in words(running)] == ["asked"]
    for _ in range(2):
        assert "Thank you" in press(confirm, confirm="yes").text
    welcome = until(lambda: mails(running)[1:])[0]
    assert welcome["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert [word for _, word, _ in words(running)] == ["asked", "given"]
    [_, given] = running.data("consent", "log", "an")
    assert (given["source"], given["proof"].startswith("page=/t/y ip=127.0.0.1 agent=Mozilla/5.0")) == (
        "journeyd",
        True,
    )

    centre = link(running, welcome, "p")
    assert 'value="marketing:email" checked' in look(centre).text
    assert "Saved" in press(centre, do="nothing").text
    until(lambda: words(running)[-1] == ("marketing", "withdrawn", "preference-centre"))
    assert 'value="marketing:email" checked' not in look(centre).text
    assert "not valid any more" in press(confirm, confirm="yes").text  # an old link brings nothing back
    assert len(mails(running)) == 2


def test_a_no_before_the_confirmation_stands(running: Running) -> None:
    sign_up(running)
    [asks] = until(lambda: mails(running))
    confirm = link(running, asks, "y")
    assert running.post({"type": "identify", "userId": "an", "traits": {"consents": {"marketing": False}}}).is_success
    until(lambda: [word for _, word, _ in words(running)] == ["asked", "withdrawn"])
    assert look(confirm).status_code == press(confirm, confirm="yes").status_code == 410
    assert not running.data("consent", "show", "an")["consents"]["marketing"]["granted"]


def test_everything_ends_by_the_unsubscribe_pages_other_button(running: Running) -> None:
    sign_up(running)
    [asks] = until(lambda: mails(running))
    press(link(running, asks, "y"), confirm="yes")
    welcome = until(lambda: mails(running)[1:])[0]
    unsubscribe = link(running, welcome, "u")
    assert "stop receiving these messages: Letters?" in look(unsubscribe).text
    assert press(unsubscribe, confirm="yes", scope="everything").status_code == 200
    until(lambda: words(running)[-1] == ("marketing", "withdrawn", "unsubscribe"))
    assert "everything" in running.data("consent", "log", "an")[-1]["proof"]
