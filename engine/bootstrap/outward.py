"""The settings of WeCom, push and webhooks as their adapters take them: a workspace's own, or the sandbox's."""

import msgspec

from channels.push.settings import FcmSettings
from channels.sandbox.settings import FcmAccount, WebhookAccount, WecomAccount
from channels.secret import Secret
from channels.webhook.settings import WebhookSettings
from channels.wechat.wecom.settings import WecomSettings
from engine.bootstrap.workspace import Workspace
from engine.core.ids import SECOND


def wecom_settings(workspace: Workspace) -> WecomSettings | None:
    """Return the WeCom app to use, None when there is none."""
    said = workspace.settings.wecom
    if workspace.settings.sandbox.enabled:
        account = WecomAccount()
        return WecomSettings(account.corp_id, account.agent_id, Secret(account.secret), sandbox_url(workspace))
    if said is None:
        return None
    return WecomSettings(
        said.corp_id,
        said.agent_id,
        Secret(said.secret.reveal()),
        said.base_url,
        connections=said.connections,
        timeout=said.timeout / SECOND,
    )


def fcm_settings(workspace: Workspace) -> FcmSettings | None:
    """Return the push project to use, None when there is none."""
    said = workspace.settings.push.fcm
    if workspace.settings.sandbox.enabled:
        url, account = sandbox_url(workspace), FcmAccount()
        document = {
            "client_email": account.client_email,
            "private_key": workspace.sandbox_push_key(),
            "token_uri": f"{url}/token",
        }
        return FcmSettings(account.project, Secret(msgspec.json.encode(document).decode()), url)
    if said is None:
        return None
    return FcmSettings(
        said.project,
        Secret(said.credentials.reveal()),
        said.base_url,
        connections=said.connections,
        timeout=said.timeout / SECOND,
    )


def webhook_settings(workspace: Workspace) -> WebhookSettings:
    """Return how webhooks are signed and where they may go; with the sandbox on all go there, and nowhere else."""
    said = workspace.settings.webhook
    sandbox = workspace.settings.sandbox
    is_diverted = sandbox.enabled
    return WebhookSettings(
        tuple(Secret(secret) for secret in workspace.webhook_secrets()),
        (f"{sandbox.host}:{sandbox.http_port}",) if is_diverted else said.allow,
        connections=said.connections,
        timeout=said.timeout / SECOND,
        divert=f"{sandbox_url(workspace)}/hooks" if is_diverted else "",
    )


def sandbox_accounts(workspace: Workspace) -> tuple[WebhookAccount, FcmAccount]:
    """Return what the sandbox checks signatures of webhooks and push with."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key(workspace.sandbox_push_key().encode(), None).public_key()
    public = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return WebhookAccount(workspace.webhook_secrets()[0]), FcmAccount(public_key=public)


def sandbox_url(workspace: Workspace) -> str:
    """Return where the sandbox's HTTP providers are."""
    sandbox = workspace.settings.sandbox
    return f"http://{sandbox.host}:{sandbox.http_port}"
