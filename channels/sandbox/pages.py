"""The inbox as plain HTML: what every customer was sent, newest first, and one message opened. No scripts, no assets.

Everything shown was written by somebody else and is escaped; a mail's own page sits in a frame that may run nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from channels.sandbox.mail import opened
from channels.sandbox.record import Accepted, RecordQuery
from engine.core.ids import SECOND

PAGE: Final = 100
_CHANNELS: Final = {
    **{"smtp": "email", "aliyun": "SMS", "wechat": "WeChat"},
    **{"wecom": "WeCom", "webhook": "webhook", "fcm": "push"},
}
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; frame-src 'self'; form-action 'self'"
)
_STYLE: Final = """
body{font:16px/1.5 system-ui,"PingFang SC","Microsoft YaHei",sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:#1b1f24;background:#fff}a{color:#0b57a4}table{border-collapse:collapse;width:100%}th,td{text-align:left;
padding:.4rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top;overflow-wrap:anywhere}pre{white-space:pre-wrap;
background:#f6f8fa;padding:1rem;overflow-wrap:anywhere}iframe{width:100%;height:32rem;border:1px solid #d8dee4}
small{color:#57606a}nav a{margin-right:1rem}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}a{color:#79b8ff}pre{background:#161b22}
th,td,iframe{border-color:#30363d}iframe{background:#fff}small{color:#9198a1}}
"""


def inbox(lines: Sequence[Accepted], query: RecordQuery) -> HTMLResponse:
    """Return the list; `lines` are newest first."""
    chips = " ".join(f'<a href="{_link(provider=name)}">{label}</a>' for name, label in _CHANNELS.items())
    who = f" to {escape(query.recipient)}" if query.recipient else ""
    if not lines:
        return _page(f"Inbox{who}", f"<nav><a href='/'>all</a>{chips}</nav><p>Nothing was accepted yet.</p>")
    rows = "".join(_row(line) for line in lines)
    older = ""
    if len(lines) == PAGE:
        older = f'<p><a href="{_link(query.provider, query.recipient, lines[-1].seq)}">older</a></p>'
    head = "<tr><th>#</th><th>when (UTC)</th><th>channel</th><th>customer</th><th>message</th></tr>"
    return _page(f"Inbox{who}", f"<nav><a href='/'>all</a>{chips}</nav><table>{head}{rows}</table>{older}")


def message(line: Accepted) -> HTMLResponse:
    """Return one message, opened."""
    facts = (
        f"<p><a href='/'>inbox</a></p><p>{_CHANNELS.get(line.provider, line.provider)} to "
        f'<a href="{_link(recipient=line.recipient)}">{escape(line.recipient)}</a>, {_when(line)} UTC, '
        f"touch <code>{escape(line.key)}</code>, provider id <code>{escape(line.provider_id)}</code>"
        f"{_marks(line)} <a href='/_accepted/{line.seq}'>as received</a></p>"
    )
    if line.provider != "smtp":
        body = line.body.decode("utf-8", "replace")
        return _page(line.subject or "message", f"{facts}<p>{escape(line.text)}</p><pre>{escape(body)}</pre>")
    mail = opened(line.body)
    headers = "".join(f"<b>{escape(name)}:</b> {escape(value)}\n" for name, value in mail.headers)
    frame = ""
    if mail.html:
        page = f'<base target="_blank">{mail.html}'
        # Its links open as ordinary pages, so that an unsubscribe form works; the mail itself may run nothing.
        rights = "allow-popups allow-popups-to-escape-sandbox"
        frame = f'<iframe sandbox="{rights}" title="the mail" srcdoc="{escape(page)}"></iframe>'
    return _page(line.subject or "message", f"{facts}{frame}<pre>{escape(mail.text)}</pre><pre>{headers}</pre>")


def missing(what: str) -> HTMLResponse:
    """Return the page of something that is not there."""
    return _page("Not here", f"<p>{escape(what)}</p><p><a href='/'>inbox</a></p>", 404)


def _row(line: Accepted) -> str:
    excerpt = line.text[:120]
    return (
        f"<tr><td><a href='/_inbox/{line.seq}'>{line.seq}</a></td><td>{_when(line)}</td>"
        f"<td>{_CHANNELS.get(line.provider, line.provider)}</td>"
        f'<td><a href="{_link(recipient=line.recipient)}">{escape(line.recipient)}</a></td>'
        f"<td><a href='/_inbox/{line.seq}'>{escape(line.subject) or '(no subject)'}</a>{_marks(line)}"
        f"<br><small>{escape(excerpt)}</small></td></tr>"
    )


def _marks(line: Accepted) -> str:
    marks = [mark for mark in ("deduped" if line.deduped else "", line.fault) if mark]
    return f" <small>[{escape(', '.join(marks))}]</small>" if marks else ""


def _when(line: Accepted) -> str:
    return datetime.fromtimestamp(line.at / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _link(provider: str = "", recipient: str = "", before: int = 0) -> str:
    asked = {"provider": provider, "recipient": recipient, "before": str(before) if before else ""}
    return escape("/?" + urlencode({name: value for name, value in asked.items() if value}))


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    text = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(title)} · sandbox</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )
    return HTMLResponse(text, status, {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"})
