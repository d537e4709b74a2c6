"""The ground of a crash campaign: a workspace whose journey makes every sign-up worth exactly three touches.

Email at once, SMS a second later, WeChat three seconds after that: waits end while the daemon is dead, too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from deploy.local import free_ports
from engine.bootstrap.workspace import Workspace

CHANNELS: Final = ("email", "sms", "wechat")
PROVIDERS: Final = {"email": "smtp", "sms": "aliyun", "wechat": "wechat"}
CONCURRENCY: Final = 8 * len(CHANNELS)
"""Hand-overs that one process may have in flight: the default pace of each channel."""

LEASE: Final = 10.0
"""Seconds; a send is given up on after 30 % of it."""

_SETTINGS: Final = """\
write_keys:
  - {{name: shop, key: file:write.key, rate: 5000, burst: 5000}}
ops_key: file:ops.key
read_keys:
  - {{name: till, key: file:read.key, rate: 5000, burst: 5000}}
server: {{port: {port}, base_url: "http://127.0.0.1:{port}"}}
publish: {{on_start: false}}
sandbox: {{enabled: true, smtp_port: {smtp}, http_port: {http}}}
delivery:
  lease: {lease:.0f}s
  backoff: {{base: 300ms, cap: 2s}}
  attempts: 50
"""

POOL: Final = "PERK"
"""A pool with fewer codes than customers: whoever finds it empty goes on without."""

JOURNEY: Final = """\
journey: sign-up
title: Three messages to everybody who signs up
stage: acquire
enter: {on: signed_up, again: always}
in_flight: migrate
steps:
  - coupon: PERK
    else: [{tag: +without}]
  - {send: hello, via: email}
  - wait: 1s
  - {send: hello, via: sms}
  - wait: 3s
  - {send: hello, via: wechat}
"""

EDITED: Final = JOURNEY.replace("  - wait: 1s\n", "  - tag: +edited\n  - wait: 2s\n").replace(
    "  - wait: 3s\n",
    '  - wait: 2s\n  - if: \'count("signed_up", within="1d") >= 1\'\n    then: [{tag: +counted}]\n',
)
"""The same three messages, at other times, with steps between them and a statistic more."""

_SIDE: Final = """\
journey: side
title: A journey that is paused now and then
stage: acquire
enter: {on: signed_up, again: always}
steps:
  - tag: +side
"""

_FILES: Final[dict[str, str]] = {
    "journeys/sign-up.yaml": JOURNEY,
    "journeys/side.yaml": _SIDE,
    "audience/lifecycle.yaml": "stages:\n  acquire: {when: 'count(\"signed_up\") >= 1'}\n",
    "audience/segments.yaml": "segments:\n  twice: {when: 'count(\"signed_up\") >= 2'}\n",
    "audience/consent.yaml": "purposes:\n  marketing: opt_in\nchannels:\n  email: opt_out\n  sms: opt_out\n"
    "  wechat: opt_out\n",
    "templates/hello/subject": "Hello {{ customer.name }}",
    "templates/hello/email.txt": "Hello {{ customer.name }}.\n\nUnsubscribe: {{ unsubscribe_url }}\n",
    "templates/hello/email.html": '<p>Hello {{ customer.name }}.</p><p><a href="{{ unsubscribe_url }}">Stop</a></p>\n',
    "templates/hello/sms.yaml": "aliyun:\n  template_code: SMS_HELLO\n  sign_name: Shop\n  params:\n    n: '1'\n"
    "text: 'Hello. 拒收请回复R'\n",
    "templates/hello/wechat.yaml": "type: template\ntemplate_id: HELLO\ndata:\n  thing1: 'Hello'\n",
    "write.key": "write-key-of-the-crash-campaign",
    "ops.key": "ops-key-of-the-crash-campaign",
    "read.key": "read-key-of-the-crash-campaign",
}


class Ground(msgspec.Struct, frozen=True):
    """A workspace and the ports of everybody who meets there."""

    root: Path
    port: int
    smtp: int
    http: int

    @property
    def url(self) -> str:
        """Where the daemon answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """Where the providers' dials are."""
        return f"http://127.0.0.1:{self.http}"

    @property
    def record(self) -> Path:
        """What the providers accepted."""
        return self.root / "providers.db"

    @property
    def data(self) -> Path:
        """The daemon's own files."""
        return self.root / ".journeyd"

    @property
    def write_key(self) -> str:
        return _FILES["write.key"]

    @property
    def ops_key(self) -> str:
        return _FILES["ops.key"]

    @property
    def read_key(self) -> str:
        return _FILES["read.key"]

    def workspace(self) -> Workspace:
        """Open it as the daemon does."""
        return Workspace.open(self.root, {})


def prepare(root: Path, settings: str = "", files: Mapping[str, str] | None = None) -> Ground:
    """Write the workspace, with `settings` and `files` besides its own, and take three free ports."""
    for name, text in (_FILES | dict(files or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if name.endswith(".key"):
            path.chmod(0o600)
    port, smtp, http = free_ports(3)
    said = _SETTINGS.format(port=port, smtp=smtp, http=http, lease=LEASE)
    (root / "journeyd.yaml").write_text(said + settings, encoding="utf-8")
    return Ground(root, port, smtp, http)
