"""Every setting: its name, meaning, unit, bounds and default, section by section.

Values only. `settings.py` reads them from journeyd.yaml and the environment; `default.yaml` is generated from here.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config.units import Duration, Positive, SecretRef, Share

Port = Annotated[int, Field(ge=1, le=65_535)]
Count = Annotated[int, Field(ge=1, le=10_000)]


class Section(BaseModel):
    """A group of settings: frozen, unknown keys refused, values never shown in complaints."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, said: Any) -> Any:
        """A known key with nothing behind it keeps its default."""
        if not isinstance(said, dict):
            return said
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in said.items() if value is not None or key not in known}


def dial(default: Any, meaning: str, **bounds: Any) -> Any:
    """Declare a setting with its default and its meaning (unit included)."""
    return Field(default=default, description=meaning, **bounds)


def needed(meaning: str, **bounds: Any) -> Any:
    """Declare a setting that has no default."""
    return Field(description=meaning, **bounds)


class Server(Section):
    """The one port that serves events in, callbacks, tracking links and the console."""

    host: str = dial("127.0.0.1", "Address to listen on; 0.0.0.0 for all")
    port: Port = dial(8025, "Port to listen on")
    base_url: str = dial("", "How the outside reaches this port: start of tracking links; empty: host and port")

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, said: str) -> str:
        if said and (not said.startswith(("http://", "https://")) or "?" in said or "#" in said):
            raise ValueError("is no base address; write https://host/path without a query")
        return said.rstrip("/")

    @property
    def public_url(self) -> str:
        """Return `base_url`, or the address made of host and port when it is not set."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"


class WriteKey(Section):
    """Somebody who may send events."""

    name: str = needed("Name of the source; keeps its message ids apart from others'", min_length=1, max_length=64)
    key: SecretRef = needed("The write key, by reference: env:NAME or file:path")
    scope: Literal["server", "browser"] = dial(
        "server", "server, or browser: a public key that may not set consents, backfill or enter customers"
    )
    rate: float = dial(500.0, "Requests per second in the long run", gt=0)
    burst: float = dial(1000.0, "Requests that may come at once", ge=1)


class ReadKey(Section):
    """Another channel that may ask for a customer: a web shop, an app, a till."""

    name: str = needed("Name of the channel", min_length=1, max_length=64)
    key: SecretRef = needed("The read key, by reference: env:NAME or file:path; never put it into a page or an app")
    traits: Literal["none", "all"] | tuple[str, ...] = dial(
        "none", "Traits that the answer holds: none, all, or a list of names"
    )
    rate: float = dial(100.0, "Requests per second in the long run", gt=0)
    burst: float = dial(200.0, "Requests that may come at once", ge=1)


class Dkim(Section):
    """Signature of the sending domain."""

    domain: str = needed("Domain that signs")
    selector: str = needed("Name under _domainkey of that domain")
    key: SecretRef = needed("PEM private key (RSA 2048 or Ed25519), by reference: file:path")


class Email(Section):
    """Email over SMTP."""

    host: str = needed("SMTP relay")
    port: Port = dial(587, "Its port: 587 with starttls, 465 with tls")
    tls: Literal["none", "starttls", "tls"] = dial("starttls", "none, starttls or tls")
    username: str = dial("", "Login; empty for none")
    password: SecretRef | None = dial(None, "Password, by reference: env:NAME or file:path")
    sender: str = needed('From: "Brand <news@brand.example>"', alias="from")
    reply_to: str = dial("", "Reply-To; empty for none")
    domain: str = dial("", "Right side of Message-ID; empty takes the domain of `from`")
    bounce_domain: str = dial("", "Domain of bounce addresses (VERP); empty: bounces go to `from`")
    connections: Count = dial(8, "SMTP connections at once, which is also how many mails are in flight")
    messages_per_connection: Count = dial(500, "Mails over one connection before a fresh one is made")
    timeout: Positive = dial("30s", "Longest wait for one reply of the relay")
    rate: float = dial(0.0, "Mails per second on average; 0 for no limit", ge=0)
    ca_file: str = dial("", "Certificate authorities of the relay; empty trusts the system's")
    dkim: Dkim | None = dial(None, "Signature of the sending domain")


class Aliyun(Section):
    """SMS through Aliyun."""

    access_key_id: str = needed("AccessKey id")
    access_key_secret: SecretRef = needed("AccessKey secret, by reference: env:NAME or file:path")
    sign_name: str = dial("", "Signature name for templates that name none")
    base_url: str = dial("https://dysmsapi.aliyuncs.com", "Endpoint")
    callback_key: SecretRef | None = dial(None, "Key that callback URLs must carry, by reference; Aliyun signs nothing")
    connections: Count = dial(32, "Requests at once")
    timeout: Positive = dial("10s", "Longest wait for an answer")
    rate: float = dial(0.0, "Messages per second on average; 0 for no limit", ge=0)


class Sms(Section):
    """Text messages."""

    aliyun: Aliyun | None = dial(None, "SMS through Aliyun")


class Official(Section):
    """A WeChat official account."""

    app_id: str = needed("AppID")
    secret: SecretRef = needed("AppSecret, by reference: env:NAME or file:path")
    token: SecretRef | None = dial(None, "Token of the callback server, by reference")
    aes_key: SecretRef | None = dial(None, "EncodingAESKey of the callback server, by reference; none for plain mode")
    base_url: str = dial("https://api.weixin.qq.com", "Endpoint")
    connections: Count = dial(32, "Requests at once")
    timeout: Positive = dial("10s", "Longest wait for an answer")
    rate: float = dial(0.0, "Messages per second on average; 0 for no limit", ge=0)


class Wechat(Section):
    """WeChat messages."""

    official: Official | None = dial(None, "A WeChat official account")


class Wecom(Section):
    """A WeCom (企业微信) app."""

    corp_id: str = needed("Id of the company")
    agent_id: int = dial(0, "AgentId of the app, by which colleagues are written to; 0: only customers are", ge=0)
    secret: SecretRef = needed("Secret of the app, by reference: env:NAME or file:path")
    sender: str = dial("", "Member who writes to customers when a template names nobody else")
    base_url: str = dial("https://qyapi.weixin.qq.com", "Endpoint")
    connections: Count = dial(16, "Requests at once")
    timeout: Positive = dial("10s", "Longest wait for an answer")
    rate: float = dial(0.0, "Messages per second on average; 0 for no limit", ge=0)


class Fcm(Section):
    """Firebase Cloud Messaging."""

    project: str = needed("Id of the Firebase project", min_length=1)
    credentials: SecretRef = needed("JSON of the service account, by reference: file:path or env:NAME")
    base_url: str = dial("https://fcm.googleapis.com", "Endpoint")
    connections: Count = dial(16, "Requests at once")
    timeout: Positive = dial("10s", "Longest wait for an answer")
    rate: float = dial(0.0, "Messages per second on average; 0 for no limit", ge=0)


class Push(Section):
    """App push."""

    fcm: Fcm | None = dial(None, "Firebase Cloud Messaging")


class Webhook(Section):
    """Signed POSTs to other systems, after Standard Webhooks."""

    secret: SecretRef | None = dial(
        None, "Signing secret (whsec_...), by reference: env:NAME or file:path; none: made once in the data folder"
    )
    old_secret: SecretRef | None = dial(None, "Secret that signs besides, while receivers change over, by reference")
    allow: tuple[str, ...] = dial(
        (), "host:port pairs (port * for any) that may be called although they are no public https address"
    )
    connections: Count = dial(16, "Requests at once")
    timeout: Positive = dial("15s", "Longest time for one webhook, from the name's look-up to the answer")
    rate: float = dial(0.0, "Webhooks per second on average; 0 for no limit", ge=0)

    @field_validator("allow")
    @classmethod
    def _are_places(cls, said: tuple[str, ...]) -> tuple[str, ...]:
        for one in said:
            host, _, port = one.rpartition(":")
            if not host or "/" in host or "*" in host or not (port == "*" or (port.isascii() and port.isdigit())):
                raise ValueError('names no host and port; write "crm.internal:8080" or "127.0.0.1:*"')
        return said


class Backoff(Section):
    """How retries of a hand-over that certainly failed are spaced."""

    base: Positive = dial("30s", "First pause; it doubles with each attempt, with full jitter")
    cap: Positive = dial("1h", "Longest pause")


class Uncertain(Section):
    """What becomes of a hand-over of which nobody can say how it ended."""

    policy: Literal["hold", "assume_sent"] = dial(
        "hold", "hold for a receipt or for ops, or assume_sent once `after` has passed; never sent again on a guess"
    )
    after: Positive = dial("24h", "Age at which assume_sent closes it")


class Delivery(Section):
    """The delivery contract's dials."""

    lease: Positive = dial("2m", "How long a hand-over may take before it counts as uncertain; sends end at 30 % of it")
    attempts: Count = dial(8, "Hand-overs of one touch at most")
    backoff: Backoff = dial(Backoff(), "How retries are spaced")
    uncertain: dict[str, Uncertain] = dial(
        {}, "By channel, what becomes of doubtful hand-overs: {email: {policy: hold}}"
    )
    hold: Positive = dial("1h", "How long a touch of a stopped journey rests before it is looked at again")


class Publish(Section):
    """How journeys, audience and templates come into force."""

    on_start: bool = dial(
        True, "Publish what the folder holds when a start finds it changed; false: only `journeyd publish` does"
    )


class Log(Section):
    """The journal of everything that happened."""

    keep: Duration = dial("90d", "How long applied entries are kept; 0s for ever")
    dedupe_window: Positive = dial("7d", "How long a message id is remembered, so that a repeat is applied once")


class Rules(Section):
    """How tags and stages follow from their rules, and the second opinion on that."""

    audit: Share = dial("1%", "Share of the decisions whose tags and stages other engines derive anew; 0% for none")
    chainer: Literal["builtin", "durable"] = dial(
        "builtin", "Who derives tags and stages: builtin, or durable: durable-rules in a process of its own (slower)"
    )


class Keep(Section):
    """How long the store keeps what grows with time; a customer stays until erased."""

    traces: Duration = dial("400d", "Reasons: why each message was or was not sent; 0s for ever")
    deliveries: Duration = dial("400d", "Ended touches with their hand-overs and receipts; 0s for ever")
    runs: Duration = dial("400d", "Ended runs, once their goal window is closed; 0s for ever")


class Sandbox(Section):
    """Local providers that behave like the real ones and send nothing."""

    enabled: bool = dial(False, "Send to the sandbox instead of the configured providers")
    host: str = dial("127.0.0.1", "Where `journeyd sandbox` listens")
    smtp_port: Port = dial(8027, "Its SMTP port")
    http_port: Port = dial(8028, "Its port for the HTTP endpoints and its own pages")
