"""What a sandbox is started with: ports, accounts, where receipts go and how they behave.

Values only. `server.Sandbox` and the command line fill it; the defaults are the sandbox accounts of the demo, never
secrets of a real provider.
"""

import msgspec

from engine.core.ids import SECOND, Micros


class SmtpAccount(msgspec.Struct, frozen=True):
    """The mail account. `auth`: "optional" lets strangers send, "required" does not. TLS needs both files."""

    user: str = "sandbox"
    password: str = "sandbox-password"  # noqa: S105 - opens nothing but this sandbox
    auth: str = "optional"
    tls_certificate: str = ""
    tls_key: str = ""
    max_size: int = 10_000_000


class AliyunAccount(msgspec.Struct, frozen=True):
    """The SMS account. Empty `signs` accepts every signature name; `templates`: code -> text with ${name}."""

    access_key_id: str = "sandbox-key-id"
    access_key_secret: str = "sandbox-key-secret"  # noqa: S105 - opens nothing but this sandbox
    signs: tuple[str, ...] = ()
    templates: dict[str, str] = msgspec.field(default_factory=dict)
    param_limit: int = 35


class WechatAccount(msgspec.Struct, frozen=True):
    """The official account. `window` asks for an open 48-hour window before a customer-service message."""

    appid: str = "wx5a6db0c5a6db0c5a"
    secret: str = "sandbox-app-secret"  # noqa: S105 - opens nothing but this sandbox
    account: str = "gh_sandbox"
    token: str = "sandboxtoken"  # noqa: S105 - opens nothing but this sandbox
    aes_key: str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
    encrypted: bool = False
    window: bool = False
    token_life: Micros = 7_200 * SECOND


class WecomAccount(msgspec.Struct, frozen=True):
    """The company and its app."""

    corp_id: str = "ww5a6db0c5a6db0c5a"
    agent_id: int = 1_000_002
    secret: str = "sandbox-corp-secret"  # noqa: S105 - opens nothing but this sandbox
    token_life: Micros = 7_200 * SECOND


class WebhookAccount(msgspec.Struct, frozen=True):
    """What the receiver of webhooks checks signatures with."""

    secret: str = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC1mb3ItdHJpYWxz"  # noqa: S105 - opens nothing but this sandbox


class FcmAccount(msgspec.Struct, frozen=True):
    """The push project and its service account; no claim is good while there is no `public_key` (PEM)."""

    project: str = "sandbox-project"
    client_email: str = "push@sandbox-project.example"
    public_key: str = ""


class Receipts(msgspec.Struct, frozen=True, kw_only=True):
    """How receipts come back. Empty URLs send none.

    `delay` and `timeout` are seconds; retry waits are the vendor's, divided by `hurry`. `duplicate` and `lost` are
    shares of receipts (0 to 1) drawn from `seed`; `reorder` sends those that ripen together last first; `early` sends a
    receipt before the provider's own answer.
    """

    aliyun_url: str = ""
    aliyun_replies_url: str = ""
    wechat_url: str = ""
    email_url: str = ""
    delay: float = 0.2
    hurry: float = 60.0
    timeout: float = 0.0
    duplicate: float = 0.0
    lost: float = 0.0
    reorder: bool = False
    early: bool = False
    seed: str = "receipts"


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a sandbox needs to start. Port 0 takes any free one; `keep_bytes` bounds the body kept per message."""

    record: str
    host: str = "127.0.0.1"
    smtp_port: int = 0
    http_port: int = 0
    keep_bytes: int = 262_144
    smtp: SmtpAccount = SmtpAccount()
    aliyun: AliyunAccount = AliyunAccount()
    wechat: WechatAccount = WechatAccount()
    wecom: WecomAccount = WecomAccount()
    webhook: WebhookAccount = WebhookAccount()
    fcm: FcmAccount = FcmAccount()
    receipts: Receipts = Receipts()
