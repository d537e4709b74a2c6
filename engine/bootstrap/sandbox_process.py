"""`python -m engine.bootstrap.sandbox_process`: the sandbox as a process of its own.

For the crash harness and for trials. The first line on stdout is JSON with the ports, written when both are open.
Stops on SIGINT and SIGTERM.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from channels.sandbox.server import Address, run_sandbox
from channels.sandbox.settings import Receipts, SandboxSettings, WechatAccount
from engine.runtime.clock import SystemClock

CALLBACKS: Final = {
    "aliyun": "sms/aliyun",
    "aliyun-replies": "sms/aliyun-replies",
    "wechat": "wechat/official",
    "email": "email/bounce",
}
"""What a provider's receipts are called in the daemon's callback addresses: the names of `providers.callbacks_of`."""


def main(arguments: Sequence[str]) -> None:
    """Read the options and run."""
    run_sandbox(settings_of(arguments), SystemClock().now, _announce)


def settings_of(arguments: Sequence[str]) -> SandboxSettings:
    """Return the settings that the options ask for; wrong ones end the process with a usage message."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.bootstrap.sandbox_process", description="Local mail, SMS and WeChat providers."
    )
    parser.add_argument("--record", required=True, help="file that keeps what was accepted")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--http-port", type=int, default=0, help="0 takes any free port")
    parser.add_argument(
        "--callback", default="", help=f"base URL of callbacks: .../{', .../'.join(CALLBACKS.values())}"
    )
    parser.add_argument("--callback-secret", default="", help="last part of every callback URL made from --callback")
    for provider, name in CALLBACKS.items():
        parser.add_argument(f"--{provider}-callback", default="", help=f"whole URL of {name}, instead")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before a receipt")
    parser.add_argument("--hurry", type=float, default=60.0, help="divides the vendors' waits between retries")
    parser.add_argument(
        "--encrypted", action=argparse.BooleanOptionalAction, default=True, help="push WeChat events in AES mode"
    )
    given = parser.parse_args(arguments)
    base, secret = given.callback.rstrip("/"), given.callback_secret and f"/{given.callback_secret}"
    made = {provider: base and f"{base}/{name}{secret}" for provider, name in CALLBACKS.items()}
    return SandboxSettings(
        record=given.record,
        host=given.host,
        smtp_port=given.smtp_port,
        http_port=given.http_port,
        wechat=WechatAccount(encrypted=given.encrypted),
        receipts=Receipts(
            aliyun_url=given.aliyun_callback or made["aliyun"],
            aliyun_replies_url=given.aliyun_replies_callback or made["aliyun-replies"],
            wechat_url=given.wechat_callback or made["wechat"],
            email_url=given.email_callback or made["email"],
            delay=given.delay,
            hurry=given.hurry,
        ),
    )


def _announce(address: Address) -> None:
    sys.stdout.write(msgspec.json.encode(address).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
