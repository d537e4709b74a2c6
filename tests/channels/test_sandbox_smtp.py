"""The sandbox's mail server against a real client library and against raw bytes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from channels.sandbox.dials import Dial, Fault
from channels.sandbox.record import RecordQuery, read_record
from channels.sandbox.server import Sandbox
from channels.sandbox.settings import SandboxSettings, SmtpAccount
from engine.core.ids import SECOND

MAIL = (
    b"From: shop@shop.cn\r\nTo: anna@example.com\r\nSubject: =?utf-8?b?5L2g5aW9?=\r\n"
    b"Message-ID: <selld2kaqytwf6tljvalb5snci.9f3a@shop.cn>\r\n\r\nhello\r\n.hidden dot\r\n"
)


def ticking() -> int:
    return 1_800_000_000 * SECOND


def settings(tmp_path: Path, **account: object) -> SandboxSettings:
    return SandboxSettings(record=str(tmp_path / "record.db"), smtp=SmtpAccount(**account))  # type: ignore[arg-type]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    running = Sandbox(settings(tmp_path), ticking)
    await running.start()
    yield running
    await running.stop()


async def connected(sandbox: Sandbox) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=sandbox.address.smtp_port, local_hostname="localhost", timeout=10, start_tls=False
    )
    await client.connect()
    return client


async def deliver(sandbox: Sandbox, to: str, body: bytes = MAIL) -> int:
    """Send one mail; return the code of the last reply, 0 when the connection was closed."""
    client = await connected(sandbox)
    try:
        await client.sendmail("shop@shop.cn", [to], body)
        return 250
    except aiosmtplib.SMTPResponseException as refused:
        return refused.code
    except aiosmtplib.SMTPRecipientsRefused as refused:
        return refused.recipients[0].code
    except aiosmtplib.SMTPServerDisconnected:
        return 0
    finally:
        client.close()


async def talk(sandbox: Sandbox, said: bytes, until: bytes) -> bytes:
    """Say raw bytes at once and read until `until` was heard or the server closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.address.smtp_port)
    writer.write(said)
    heard = b""
    while until not in heard:
        more = await reader.read(4096)
        if not more:
            break
        heard += more
    writer.close()
    return heard


async def test_an_accepted_mail_is_on_disk_with_its_touch_and_words_when_250_is_heard(sandbox: Sandbox) -> None:
    assert await deliver(sandbox, "anna@example.com") == 250
    (line,) = read_record(sandbox.settings.record, RecordQuery(bodies=True))
    assert (line.seq, line.provider, line.recipient, line.at) == (1, "smtp", "anna@example.com", ticking())
    assert (line.key, line.subject) == ("selld2kaqytwf6tljvalb5snci", "你好")
    assert line.text == "hello\r\n.hidden dot"
    assert line.body == MAIL


async def test_each_recipient_gets_a_line_and_the_body_is_kept_only_up_to_the_bound(tmp_path: Path) -> None:
    small = SandboxSettings(record=str(tmp_path / "record.db"), keep_bytes=100)
    sandbox = Sandbox(small, ticking)
    await sandbox.start()
    client = await connected(sandbox)
    await client.sendmail("s@shop.cn", ["a@x.cn", "bounce@x.cn", "b@x.cn"], MAIL + b"x" * 500 + b"\r\n")
    await client.quit()
    await sandbox.stop()
    lines = read_record(small.record, RecordQuery(bodies=True))
    assert [line.recipient for line in lines] == ["a@x.cn", "b@x.cn"]
    assert {(len(line.body), line.size) for line in lines} == {(100, len(MAIL) + 502)}


@pytest.mark.parametrize(
    ("to", "reply", "kept"),
    [
        ("bounce@x.cn", 550, 0),
        ("bounce+17@x.cn", 550, 0),
        ("full@x.cn", 452, 0),
        ("spam@x.cn", 554, 0),
        ("busy@x.cn", 421, 0),
        ("error@x.cn", 451, 0),
        ("late-error@x.cn", 554, 1),
        ("drop@x.cn", 0, 1),
        ("nobody", 553, 0),
    ],
)
async def test_magic_recipients_always_suffer_the_same(sandbox: Sandbox, to: str, reply: int, kept: int) -> None:
    assert await deliver(sandbox, to) == reply
    assert len(read_record(sandbox.settings.record)) == kept


async def test_a_dial_fires_as_often_as_it_was_told_and_marks_what_was_accepted(sandbox: Sandbox) -> None:
    sandbox.dials.turn(Dial(provider="smtp", fault=Fault.DROP_REPLY, count=2))
    assert [await deliver(sandbox, f"c{n}@x.cn") for n in range(3)] == [0, 0, 250]
    assert [line.fault for line in read_record(sandbox.settings.record)] == ["drop_reply", "drop_reply", ""]
    assert sandbox.dials.fired == {"smtp.drop_reply": 2}


async def test_a_dial_says_the_reply_it_was_given(sandbox: Sandbox) -> None:
    sandbox.dials.turn(Dial(provider="smtp", fault=Fault.REFUSE, code="550 5.7.26 not authenticated"))
    assert b"550 5.7.26" in await talk(sandbox, b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\n", b"550")


async def test_a_stalled_answer_comes_after_the_mail_is_recorded(sandbox: Sandbox) -> None:
    sandbox.dials.turn(Dial(provider="smtp", fault=Fault.STALL, seconds=0.01))
    assert await deliver(sandbox, "anna@example.com") == 250
    assert [line.fault for line in read_record(sandbox.settings.record)] == ["stall"]


async def test_a_server_that_is_down_closes_at_once(sandbox: Sandbox) -> None:
    sandbox.dials.turn(Dial(provider="smtp", fault=Fault.DOWN))
    with pytest.raises(aiosmtplib.SMTPException):
        await connected(sandbox)
    sandbox.dials.clear("smtp")
    assert await deliver(sandbox, "anna@example.com") == 250


async def test_an_empty_body_and_pipelined_commands_are_understood(sandbox: Sandbox) -> None:
    said = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.c>\r\nDATA\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n"
    heard = await talk(sandbox, said, b"221")
    codes = [line[:3] for line in heard.split(b"\r\n") if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"250", b"250", b"221"]
    assert [line.size for line in read_record(sandbox.settings.record)] == [0]


async def test_a_lone_line_feed_does_not_end_a_body(sandbox: Sandbox) -> None:
    said = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<a@b.c>\r\nDATA\r\nA: b\r\n\r\nx\n.\nMAIL FROM:<evil@b.c>\r\n.\r\n"
    await talk(sandbox, said, b"queued")
    assert len(read_record(sandbox.settings.record)) == 1


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"RCPT TO:<a@b.c>\r\n", b"503"),
        (b"DATA\r\n", b"503"),
        (b"MAIL FROM:a@b.c\r\n", b"501"),
        (b"MAIL FROM:<a@b.c> SIZE=99999999\r\n", b"552"),
        (b"MAIL FROM:<a@b.c>\r\nMAIL FROM:<a@b.c>\r\n", b"503"),
        (b"STARTTLS\r\n", b"502"),
        (b"VRFY anna\r\n", b"502"),
        (b"\xff\xfe\r\n", b"502"),
        (b"x" * 5_000, b"421"),
        (b"AUTH CRAM-MD5\r\n", b"504"),
        (b"AUTH PLAIN ===\r\n", b"501"),
        (b"AUTH PLAIN AGEAYg==\r\n", b"535"),
    ],
)
async def test_wrong_commands_get_a_code_and_not_a_crash(sandbox: Sandbox, said: bytes, reply: bytes) -> None:
    assert b"\r\n" + reply in await talk(sandbox, said, b"\r\n" + reply)


async def test_a_mail_over_the_limit_is_refused_and_the_dialogue_goes_on(tmp_path: Path) -> None:
    sandbox = Sandbox(settings(tmp_path, max_size=20_000), ticking)
    await sandbox.start()
    client = await connected(sandbox)
    await client.ehlo()
    client.esmtp_extensions.pop("size")  # so that the client tries
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await client.sendmail("s@shop.cn", ["a@x.cn"], b"A: b\r\n\r\n" + b"y" * 70 * 1000)
    assert refused.value.code == 552
    assert (await client.noop()).code == 250
    client.close()
    await sandbox.stop()
    assert read_record(sandbox.settings.record) == []


@pytest.mark.parametrize("login", ["auth_plain", "auth_login"])
async def test_an_account_that_requires_a_login_lets_only_its_owner_send(tmp_path: Path, login: str) -> None:
    sandbox = Sandbox(settings(tmp_path, auth="required"), ticking)
    await sandbox.start()
    assert await deliver(sandbox, "a@x.cn") == 530
    client = await connected(sandbox)
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await getattr(client, login)("sandbox", "wrong")
    await getattr(client, login)("sandbox", "sandbox-password")
    await client.sendmail("s@shop.cn", ["a@x.cn"], MAIL)
    client.close()
    await sandbox.stop()
    assert len(read_record(sandbox.settings.record)) == 1


async def test_many_connections_share_commits_and_lose_nothing(sandbox: Sandbox) -> None:
    async def worker(number: int) -> None:
        client = await connected(sandbox)
        for turn in range(25):
            await client.sendmail("s@shop.cn", [f"c{number}-{turn}@x.cn"], MAIL)
        client.close()

    await asyncio.gather(*(worker(number) for number in range(8)))
    lines = read_record(sandbox.settings.record)
    assert [line.seq for line in lines] == list(range(1, 201))
    assert len({line.recipient for line in lines}) == len({line.provider_id for line in lines}) == 200


async def test_an_opened_mail_shows_its_page_in_a_frame_that_runs_nothing(sandbox: Sandbox) -> None:
    page = b'Subject: hi\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>now</b><script>"x"</script>\r\n'
    await deliver(sandbox, "anna@example.com", page)
    await deliver(sandbox, "ben@example.com", b'Content-Type: multipart/mixed; boundary="\xff\r\n\r\n\x00\r\n')
    async with httpx.AsyncClient(base_url=sandbox.address.url, trust_env=False) as client:
        opened = (await client.get("/_inbox/1")).text
        assert (await client.get("/_inbox/2")).status_code == 200
    assert "<script" not in opened
    assert "&lt;b&gt;now&lt;/b&gt;&lt;script&gt;&quot;x&quot;" in opened
    assert "allow-scripts" not in opened
