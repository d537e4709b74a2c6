"""What comes back by mail of an accepted message: delivery reports (RFC 3464) and complaints (RFC 5965).

Only magic recipients get one: most mail that arrives is never spoken of again. The raw report is posted to the
callback with its envelope recipient in `?to=`, as an inbound mail gateway does. Called by `smtpdialogue`.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

import httpx
import msgspec

from channels.sandbox.receipts import Courier, Manners, Posting
from channels.sandbox.settings import Receipts
from engine.core.ids import SECOND, Micros, derive


class Verdict(msgspec.Struct, frozen=True):
    """What is said of one recipient: `action` is DSN's, or `abuse` for a complaint."""

    action: str
    status: str = ""
    said: str = ""


BAD_MAILBOXES: Final[dict[str, Verdict]] = {
    "late-bounce": Verdict("failed", "5.1.1", "550 5.1.1 no such user here"),
    "late-full": Verdict("failed", "5.2.2", "552 5.2.2 mailbox is full"),
    "later": Verdict("delayed", "4.4.1", "451 4.4.1 no answer from the host, still trying"),
    "complain": Verdict("abuse"),
}
"""Local parts (`late-bounce@...`, `complain+7@...`) whose mail is accepted and of which word comes back later."""

MANNERS: Final = Manners(batch=1, retries=(60.0, 300.0, 900.0), timeout=10.0)
_HEAD: Final = 16_384


class Mailed(msgspec.Struct, frozen=True):
    """A mail that was accepted: its envelope, queue id and header."""

    sender: str
    recipients: tuple[str, ...]
    queued: str
    head: bytes


class Report(msgspec.Struct, frozen=True):
    """One mail on its way back, for the courier."""

    to: str
    raw: bytes


class PostOffice:
    """Writes the reports of one host and gives them to the courier."""

    def __init__(self, courier: Courier, now: Callable[[], Micros]) -> None:
        self._courier, self._now = courier, now

    def has_word(self, sender: str, recipients: Sequence[str]) -> bool:
        """Say whether something will come back. The empty sender never gets a report: it is one itself."""
        return bool(sender and self._courier.rules.email_url and any(map(verdict_of, recipients)))

    async def report(self, mailed: Mailed) -> None:
        """Send a report for each recipient that has one."""
        for recipient in mailed.recipients:
            verdict = verdict_of(recipient)
            if verdict is not None:
                await self._courier.send(
                    f"{mailed.queued}:{recipient}", written(mailed, recipient, verdict, self._now())
                )


def verdict_of(recipient: str) -> Verdict | None:
    """Return what is said of a recipient, None for one that just gets its mail.

    >>> verdict_of("Late-Bounce+7@x.cn").status, verdict_of("mei@x.cn")
    ('5.1.1', None)
    """
    return BAD_MAILBOXES.get(recipient.partition("@")[0].partition("+")[0].lower())


def written(mailed: Mailed, recipient: str, verdict: Verdict, now: Micros) -> Report:
    """Return the report as raw mail; complaints go to the sending domain's feedback address, without its VERP."""
    stamp = format_datetime(datetime.fromtimestamp(now // SECOND, UTC))
    is_complaint = verdict.action == "abuse"
    to = f"feedback@{mailed.sender.rpartition('@')[2]}" if is_complaint else mailed.sender
    kind = "feedback-report" if is_complaint else "delivery-status"
    words, machine = (_complaint if is_complaint else _status)(mailed, recipient, verdict, stamp)
    name = derive("report", mailed.queued, recipient)
    head = (
        f"From: Mail Delivery System <MAILER-DAEMON@mx.sandbox.example>\r\nTo: <{to}>\r\n"
        f"Subject: {words.rstrip('.')}\r\nDate: {stamp}\r\nMessage-ID: <{name}@mx.sandbox.example>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary="=_{name}"\r\n\r\n'
    )
    parts = [
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n".encode(),
        f"Content-Type: message/{kind}\r\n\r\n{machine}".encode(),
        b"Content-Type: text/rfc822-headers\r\n\r\n" + mailed.head[:_HEAD].rstrip(b"\r\n") + b"\r\n",
    ]
    edge = f"--=_{name}"
    body = b"".join(f"{edge}\r\n".encode() + part + b"\r\n" for part in parts)
    return Report(to, head.encode() + body + f"{edge}--\r\n".encode())


def pack_report(rules: Receipts, batch: Sequence[msgspec.Struct]) -> Posting:
    """Make the push of one report."""
    (report,) = batch
    assert isinstance(report, Report)
    return Posting(rules.email_url, {"to": report.to}, "message/rfc822", report.raw)


def is_taken(answer: httpx.Response) -> bool:
    """Say whether the daemon has it; mail gateways look no further than the status."""
    return answer.is_success


def _status(mailed: Mailed, recipient: str, verdict: Verdict, stamp: str) -> tuple[str, str]:
    words = "Your message could not be delivered." if verdict.action == "failed" else "Your message is delayed."
    return words, (
        f"Reporting-MTA: dns; mx.sandbox.example\r\nX-Queue-ID: {mailed.queued}\r\nArrival-Date: {stamp}\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nOriginal-Recipient: rfc822; {recipient}\r\n"
        f"Action: {verdict.action}\r\nStatus: {verdict.status}\r\n"
        f"Diagnostic-Code: smtp; {verdict.said}\r\nLast-Attempt-Date: {stamp}\r\n"
    )


def _complaint(mailed: Mailed, recipient: str, verdict: Verdict, stamp: str) -> tuple[str, str]:
    return "A recipient says that this message is spam.", (
        f"Feedback-Type: {verdict.action}\r\nUser-Agent: journeyd-sandbox/1\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{mailed.sender}>\r\nOriginal-Rcpt-To: <{recipient}>\r\nArrival-Date: {stamp}\r\n"
    )
