"""`python -m engine.bootstrap.sandbox_process`: the sandbox as a process of its own, for the crash harness and for trials.

The first line on stdout is JSON with the ports, written when both are open. Stops on SIGINT and SIGTERM.
"""

import argparse
import sys
from collections.abc import Sequence

import msgspec

from channels.sandbox.server import Address, run_sandbox
from channels.sandbox.settings import Receipts, SandboxSettings, WechatAccount
from engine.runtime.clock import SystemClock


def main(arguments: Sequence[str]) -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.bootstrap.sandbox_process", description="Local mail, SMS and WeChat providers."
    )
    parser.add_argument("--record", required=True, help="file that keeps what was accepted")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--smtp-port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--http-port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--callback", default="", help="base URL of callbacks: .../sms/aliyun, .../wechat/wechat")
    parser.add_argument("--callback-secret", default="", help="last part of both callback URLs")
    parser.add_argument("--aliyun-callback", default="", help="whole URL of the SMS receipts, instead")
    parser.add_argument("--wechat-callback", default="", help="whole URL of the WeChat events, instead")
    parser.add_argument("--delay", type=float, default=0.2, help="seconds before a receipt")
    parser.add_argument("--hurry", type=float, default=60.0, help="divides the vendors' waits between retries")
    parser.add_argument("--encrypted", action="store_true", help="push WeChat events in AES mode")
    given = parser.parse_args(arguments)
    base, secret = given.callback.rstrip("/"), given.callback_secret and f"/{given.callback_secret}"
    settings = SandboxSettings(
        record=given.record,
        host=given.host,
        smtp_port=given.smtp_port,
        http_port=given.http_port,
        wechat=WechatAccount(encrypted=given.encrypted),
        receipts=Receipts(
            aliyun_url=given.aliyun_callback or (base and f"{base}/sms/aliyun{secret}"),
            wechat_url=given.wechat_callback or (base and f"{base}/wechat/wechat{secret}"),
            delay=given.delay,
            hurry=given.hurry,
        ),
    )
    run_sandbox(settings, SystemClock().now, _announce)


def _announce(address: Address) -> None:
    sys.stdout.write(msgspec.json.encode(address).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
