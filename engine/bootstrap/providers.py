"""The channels of a workspace: the configured providers, or the sandbox in their place; their paces and callbacks."""

from collections.abc import Callable, Mapping, Sequence

from channels.email.bounce import parse_bounce
from channels.email.settings import DkimSettings, SmtpSettings
from channels.email.smtp import SmtpChannel
from channels.push.client import Fcm
from channels.reply import Callback as ChannelCallback
from channels.reply import Parsed
from channels.sandbox.settings import AliyunAccount, Receipts, SandboxSettings, SmtpAccount, WechatAccount
from channels.secret import Secret
from channels.sms.aliyun.client import AliyunSms
from channels.sms.aliyun.receipts import parse_replies, parse_reports
from channels.sms.aliyun.settings import AliyunSettings
from channels.webhook.client import Webhooks
from channels.wechat.official.callback import parse_callback
from channels.wechat.official.client import WechatOfficial
from channels.wechat.official.settings import WechatSettings
from channels.wechat.wecom.client import Wecom
from config.sections import Email
from config.units import SecretRef
from engine.bootstrap.outward import fcm_settings, sandbox_accounts, sandbox_url, webhook_settings, wecom_settings
from engine.bootstrap.workspace import Workspace
from engine.core.backoff import Backoff
from engine.core.ids import SECOND, Micros
from engine.http.gateway import Answer, Callback
from engine.ports import Channel, Clock
from engine.runtime.dispatching import Dispatching
from engine.runtime.rates import Pace
from engine.usecases.doubt import Terms

Parse = Callable[[ChannelCallback], Parsed]


def channels_of(workspace: Workspace, clock: Clock) -> dict[str, Channel]:
    """Return channel name -> adapter; a channel without a provider is absent. Webhooks need none."""
    found: dict[str, Channel] = {}
    if (smtp := smtp_settings(workspace)) is not None:
        found["email"] = SmtpChannel(smtp)
    if (aliyun := aliyun_settings(workspace)) is not None:
        found["sms"] = AliyunSms(aliyun, clock)
    if (wechat := wechat_settings(workspace)) is not None:
        found["wechat"] = WechatOfficial(wechat, clock)
    if (wecom := wecom_settings(workspace)) is not None:
        found["wecom"] = Wecom(wecom, clock)
    if (fcm := fcm_settings(workspace)) is not None:
        found["push"] = Fcm(fcm, clock)
    found["webhook"] = Webhooks(webhook_settings(workspace), clock)
    return found


def dispatching_of(workspace: Workspace, channels: Mapping[str, Channel]) -> Dispatching:
    """Return the dispatcher's dials."""
    settings = workspace.settings
    delivery = settings.delivery
    windows = {name: channel.key_window for name, channel in channels.items() if channel.key_window}
    assumed = {name: doubt.after for name, doubt in delivery.uncertain.items() if doubt.policy == "assume_sent"}
    said = {
        "email": settings.email,
        "sms": settings.sms.aliyun,
        "wechat": settings.wechat.official,
        "wecom": settings.wecom,
        "push": settings.push.fcm,
    }
    paces = {
        name: Pace(provider.connections, provider.rate) if (provider := said.get(name)) is not None else Pace()
        for name in channels
    }
    paces["webhook"] = Pace(settings.webhook.connections, settings.webhook.rate, ends="many")
    return Dispatching(
        terms=Terms(lease=delivery.lease, key_windows=windows, assume_after=assumed, hold=delivery.hold),
        paces=paces,
        backoff=Backoff(first=delivery.backoff.base, cap=delivery.backoff.cap, attempts=delivery.attempts),
    )


def callbacks_of(workspace: Workspace) -> dict[str, Callback]:
    """Return "channel/provider" -> what answers its callbacks."""
    found: dict[str, Callback] = {}
    if (smtp := smtp_settings(workspace)) is not None:
        found["email/bounce"] = _answering(lambda callback: parse_bounce(callback, smtp))
    if (aliyun := aliyun_settings(workspace)) is not None:
        found["sms/aliyun"] = _answering(lambda callback: parse_reports(callback, aliyun))
        found["sms/aliyun-replies"] = _answering(lambda callback: parse_replies(callback, aliyun))
    if (wechat := wechat_settings(workspace)) is not None:
        found["wechat/official"] = _answering(lambda callback: parse_callback(callback, wechat))
    return found


def callback_urls(workspace: Workspace) -> dict[str, str]:
    """Return "channel/provider" -> the address to enter at the provider. Each is a secret."""
    return {name: workspace.callback_url(name) for name in callbacks_of(workspace)}


def _answering(parse: Parse) -> Callback:
    def answer(method: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, now: Micros) -> Answer:
        reply, entries = parse(ChannelCallback(method, query, headers, body, now))
        kept: Sequence[object] = entries
        return reply.status, reply.media_type, reply.body, entries if kept else []

    return answer


# --- settings of each adapter ----------------------------------------------------------------------


def sandbox_settings(workspace: Workspace) -> SandboxSettings:
    """Return the sandbox that stands in for the workspace's providers; its receipts come to the workspace's port."""
    said = workspace.settings.sandbox
    webhook, fcm = sandbox_accounts(workspace)
    return SandboxSettings(
        record=str(workspace.data / "sandbox.db"),
        host=said.host,
        smtp_port=said.smtp_port,
        http_port=said.http_port,
        wechat=WechatAccount(encrypted=True),  # as `wechat_settings` asks for it: plain pushes are refused
        webhook=webhook,
        fcm=fcm,
        receipts=Receipts(
            aliyun_url=workspace.callback_url("sms/aliyun"),
            aliyun_replies_url=workspace.callback_url("sms/aliyun-replies"),
            wechat_url=workspace.callback_url("wechat/official"),
            email_url=workspace.callback_url("email/bounce"),
        ),
    )


def smtp_settings(workspace: Workspace) -> SmtpSettings | None:
    """Return the relay to use, None when email is not set up."""
    email, key = workspace.settings.email, Secret(workspace.signing_key().decode())
    if workspace.settings.sandbox.enabled:
        sandbox, account = workspace.settings.sandbox, SmtpAccount()
        return SmtpSettings(
            host=sandbox.host,
            port=sandbox.smtp_port,
            domain=sender_domain(email),
            key=key,
            tls="none",
            username=account.user,
            password=Secret(account.password),
            bounce_domain=f"bounce.{sender_domain(email)}",
        )
    if email is None:
        return None
    dkim = email.dkim
    return SmtpSettings(
        host=email.host,
        port=email.port,
        domain=email.domain or sender_domain(email),
        key=key,
        tls=email.tls,
        username=email.username,
        password=_secret(email.password),
        bounce_domain=email.bounce_domain,
        connections=email.connections,
        recycle_after=email.messages_per_connection,
        timeout=email.timeout / SECOND,
        ca_file=email.ca_file,
        dkim=None if dkim is None else DkimSettings(dkim.domain, dkim.selector, _secret(dkim.key)),
    )


def aliyun_settings(workspace: Workspace) -> AliyunSettings | None:
    """Return the SMS account to use, None when there is none."""
    said = workspace.settings.sms.aliyun
    if workspace.settings.sandbox.enabled:
        account = AliyunAccount()
        return AliyunSettings(account.access_key_id, Secret(account.access_key_secret), sandbox_url(workspace))
    if said is None:
        return None
    return AliyunSettings(
        said.access_key_id,
        _secret(said.access_key_secret),
        said.base_url,
        connections=said.connections,
        timeout=said.timeout / SECOND,
        callback_key=_secret(said.callback_key),
        sign_name=said.sign_name,
    )


def wechat_settings(workspace: Workspace) -> WechatSettings | None:
    """Return the official account to use, None when there is none."""
    said = workspace.settings.wechat.official
    if workspace.settings.sandbox.enabled:
        account = WechatAccount()
        return WechatSettings(
            account.appid,
            Secret(account.secret),
            Secret(account.token),
            Secret(account.aes_key),
            sandbox_url(workspace),
        )
    if said is None:
        return None
    return WechatSettings(
        said.app_id,
        _secret(said.secret),
        _secret(said.token),
        _secret(said.aes_key),
        said.base_url,
        connections=said.connections,
        timeout=said.timeout / SECOND,
    )


def sender_of(workspace: Workspace) -> str:
    """Return the From of emails."""
    email = workspace.settings.email
    return email.sender if email is not None else f"{workspace.settings.brand or 'journeyd'} <news@brand.example>"


def sender_domain(email: Email | None) -> str:
    """Return the domain of the From address."""
    return "brand.example" if email is None else email.sender.rpartition("@")[2].rstrip("> ")


def _secret(reference: SecretRef | None) -> Secret:
    return Secret() if reference is None else Secret(reference.reveal())
