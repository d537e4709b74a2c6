"""Mail that comes back: reports with our proof become receipts, everything else is nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email import verp
from channels.email.bounce import parse_bounce
from channels.email.settings import SmtpSettings
from channels.reply import Callback
from channels.secret import Secret
from engine.core.events import Event, Receipt

KEY = Secret("k")
SETTINGS = SmtpSettings("relay", 25, "brand.example", KEY, bounce_domain="bounce.brand.example")
VERP = verp.bounce_address(KEY, "touch01", "bounce.brand.example")
MESSAGE_ID = verp.message_id(KEY, "touch01", "brand.example")
NOW = 1_772_330_400_000_000


def _dsn(to: str = VERP, action: str = "failed", status: str = "5.1.1", said: str = "550 5.1.1 No such user") -> bytes:
    return f"""From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It failed.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; mei@brand.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--b
Content-Type: text/rfc822-headers

Subject: Hi
Message-ID: {MESSAGE_ID}

--b--
""".encode()


def _complaint(kind: str = "abuse") -> bytes:
    return f"""From: fbl@provider.example
To: fbl@brand.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

A complaint.
--b
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: X/1
Version: 1
Original-Mail-From: <{VERP}>

--b
Content-Type: message/rfc822

Subject: Hi
Message-ID: {MESSAGE_ID}

body
--b--
""".encode()


def _read(body: bytes, **query: str) -> list[Receipt | Event]:
    reply, entries = parse_bounce(Callback("POST", query, {}, body, NOW), SETTINGS)
    assert reply.status == 200
    return entries


@pytest.mark.parametrize(
    ("action", "status", "said", "fact"),
    [
        ("failed", "5.1.1", "550 5.1.1 No such user", "HARD_BOUNCE"),
        ("failed", "5.2.2", "552 5.2.2 Mailbox full", "SOFT_BOUNCE"),
        ("failed", "5.7.1", "554 5.7.1 spam", "SOFT_BOUNCE"),
        ("failed", "5.0.0", "", "SOFT_BOUNCE"),
        ("delayed", "4.4.1", "", "DEFERRED"),
        ("delivered", "2.0.0", "", "DELIVERED"),
        ("relayed", "2.0.0", "", "ACCEPTED"),
    ],
)
def test_a_delivery_report_becomes_a_receipt(action: str, status: str, said: str, fact: str) -> None:
    (receipt,) = _read(_dsn(action=action, status=status, said=said))
    assert isinstance(receipt, Receipt)
    assert (receipt.touch, receipt.fact) == ("touch01", fact)
    assert "mei@brand.example" in receipt.detail


def test_the_original_message_id_names_the_touch_where_the_bounce_address_is_lost() -> None:
    (receipt,) = _read(_dsn(to="postmaster@brand.example"))
    assert isinstance(receipt, Receipt) and receipt.touch == "touch01"


def test_the_address_it_was_delivered_to_names_the_touch() -> None:
    body = _dsn(to="postmaster@brand.example").replace(MESSAGE_ID.encode(), b"<other@x>")
    assert _read(body) == []
    (receipt,) = _read(body, to=VERP)
    assert isinstance(receipt, Receipt) and receipt.touch == "touch01"


def test_a_forged_report_changes_nothing() -> None:
    forged = _dsn(to=VERP.replace("touch01", "touch02")).replace(MESSAGE_ID.encode(), b"<touch02.aaaaaaaaaaaaaaaa@x>")
    assert _read(forged) == []


def test_a_complaint_is_read_by_the_proof_in_its_fields() -> None:
    (receipt,) = _read(_complaint())
    assert isinstance(receipt, Receipt)
    assert (receipt.touch, receipt.fact, receipt.detail) == ("touch01", "COMPLAINED", "abuse")
    assert _read(_complaint("not-spam")) == []


def test_an_automatic_answer_is_nothing() -> None:
    assert _read(f"To: {VERP}\nAuto-Submitted: auto-replied\nSubject: away\n\nback soon".encode()) == []


def test_a_repeated_report_has_the_same_id() -> None:
    assert _read(_dsn())[0].id == _read(_dsn())[0].id


def test_a_report_that_is_too_large_or_not_posted_is_refused() -> None:
    assert parse_bounce(Callback("POST", {}, {}, b"x" * 1_000_001, NOW), SETTINGS)[0].status == 413
    assert parse_bounce(Callback("GET", {}, {}, b"", NOW), SETTINGS)[0].status == 405


@given(st.binary(max_size=400), st.integers(0, 900), st.integers(0, 900))
def test_no_mail_is_a_surprise(noise: bytes, start: int, end: int) -> None:
    whole = _dsn()
    _read(noise)
    _read(whole[:start] + noise + whole[end:])
