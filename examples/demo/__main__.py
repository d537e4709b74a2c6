"""`python -m examples.demo [--keep] [--customers N] [--runtime kafka] [--folder DIR]`: reads like a table of contents.

Makes a fresh workspace, plays a year of real purchases through it in virtual time, goes on live over HTTP with the
daemon, and prints what became of it. Exit code 0, or 1 and what went wrong.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Final

import httpx

from engine.bootstrap.workspace import Workspace
from engine.core.errors import JourneydError
from engine.runtime.clock import SystemClock
from examples.cdnow.customers import Shares
from examples.cdnow.purchases import read_year, recount
from examples.demo import change, past, people, report, services
from examples.demo.commands import Commands, Failed
from examples.demo.live import Live
from examples.demo.past import Known
from examples.demo.shop import ASIDE, make_shop

CONSENT: Final = 0.12
"""Who agreed to marketing. Each message really leaves, over SMTP or HTTP: the share sets how long the demo takes."""

LIVE: Final = 3

HISTORY: Final = "cdnow.jsonl"


def main(words: Sequence[str]) -> int:
    """Run the demo and return the exit code."""
    given = _arguments(words)
    signal.signal(signal.SIGTERM, _leave)
    try:
        with Commands(given.folder) as commands:
            try:
                _demo(commands, given)
            except Failed as failure:
                commands.say(f"\nThe demo failed: {failure}")
                return 1
            except (JourneydError, httpx.HTTPError, OSError) as failure:
                commands.say(f"\nThe demo failed: {type(failure).__name__}: {failure}")
                return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _demo(commands: Commands, given: argparse.Namespace) -> None:
    started = time.monotonic()
    clock = SystemClock()
    commands.head("A workspace")
    shop = make_shop(commands)
    commands.say(
        f"(set aside: {', '.join(ASIDE)}, to keep this short; added: journeys/order-shipped.yaml, a journey of our own)"
    )
    if given.runtime == "kafka":
        services.start(commands, shop)
    commands.run("-w", str(shop), "lint")
    commands.run("-w", str(shop), "test", quiet=True)
    workspace = Workspace.open(shop, os.environ)
    live = Live(workspace, clock.now())
    _history(commands, given, workspace, live)
    people.mine(commands, workspace)
    workspace = change.rehearse(commands, workspace, given.folder / HISTORY)
    _present(commands, workspace, live)
    people.explain(commands, workspace, live)
    change.publish(commands, workspace)
    _outcome(commands, workspace, live.regulars[0])
    commands.say()
    commands.say(f"Done in {time.monotonic() - started:.0f} s.")
    if given.keep:
        pids = commands.keep()
        commands.say(f"The daemon runs on at {live.address}, the sandbox's inbox is {live.inbox}")
        commands.say(f"Stop both: kill {' '.join(str(pid) for pid in pids)}")


def _history(commands: Commands, given: argparse.Namespace, workspace: Workspace, live: Live) -> None:
    commands.head("The past: a year of purchases at CDNOW, in virtual time")
    shop, shares = workspace.root, Shares(consent=given.consent)
    purchases = read_year(SystemClock().now(), given.customers)
    file = given.folder / HISTORY
    written = past.write_history(file, purchases, shares)
    commands.say(
        f"{written.messages:,} messages in {file}: every purchase of 1997, moved by whole days to "
        f"{written.first} .. {written.last}.\nTimes of day, addresses and consents are made up: "
        f"{written.agreed:,} customers ({shares.consent:.0%}) agreed to marketing,\n"
        "the others hear nothing. Every message really leaves, to the sandbox."
    )
    commands.start("-w", str(shop), "sandbox", log=given.folder / "sandbox.log", ready=live.sandbox_is_ready)
    live.switch_receipts(on=False)
    began = time.monotonic()
    commands.run("-w", str(shop), "ingest", "--history", str(file))
    commands.say(f"({time.monotonic() - began:.0f} s)")
    live.switch_receipts(on=True)
    read, engine = recount(given.customers), past.counted(workspace)
    commands.say()
    commands.out.print(report.totals(read, engine))
    past.compare(read, engine)


def _present(commands: Commands, workspace: Workspace, live: Live) -> None:
    commands.head("The present: the daemon runs, events come over HTTP")
    shop, log = str(workspace.root), commands.folder / "daemon.log"
    live.regulars = past.silent_and_written_to(workspace, LIVE)
    friends = past.asked_for_friends(workspace, LIVE)
    commands.start("-w", shop, "run", log=log, ready=live.daemon_is_ready)
    began = time.monotonic()
    live.sign_ups()
    live.orders(live.regulars)
    live.referrals(friends)
    for line in live.said:
        commands.say(f"  {line}")
    clock, users = SystemClock(), [one.user for one in live.expected]
    commands.until(lambda: live.have_left(past.ids_of(workspace, users)), "the live messages to leave")
    commands.say(f"  {len(live.expected)} messages left within {time.monotonic() - began:.1f} s of the first event")
    commands.until(lambda: live.letter_is_old(clock.now()), "the welcome mails to be read")
    live.reads_mail()
    commands.say(f"  {live.said[-1]}")
    commands.until(live.is_heard, "the click and the unsubscribe to be heard")


def _outcome(commands: Commands, workspace: Workspace, customer: Known) -> None:
    shop = str(workspace.root)
    with closing(workspace.read_store()) as store:
        counts = store.counts()
    commands.head("The delivery log")
    commands.run("-w", shop, "touches", "--limit", "15")
    commands.head("The funnel, the touches, the conversions")
    commands.run("-w", shop, "status")
    commands.head("Messages sent, by stage and channel")
    commands.out.print(report.stages(workspace, counts))
    commands.head("Was it worth it? Goals reached, beside those who were held out or got nothing")
    commands.out.print(report.control_groups(report.groups(workspace)))
    commands.say(
        "The purchases of the past were made in 1997, and no message of ours could change them:\n"
        "the groups of the past differ by chance alone (and the runs of one customer are alike).\n"
        "With your own customers this table is the answer."
    )
    commands.head("Why did this customer hear what they heard?")
    commands.run("-w", shop, "explain", f"user_id:{customer.user}", "win-back")
    for doubt in report.in_doubt(workspace, SystemClock().now()):
        raise Failed(doubt)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="journeyd on a year of real purchases."
    )
    parser.add_argument("--keep", action="store_true", help="leave the daemon running and print its address")
    parser.add_argument(
        "--customers",
        type=int,
        default=0,
        metavar="N",
        help="only so many (default: all); under 300 some stage may stay silent",
    )
    parser.add_argument("--consent", type=float, default=CONSENT, help=f"share who agreed to marketing ({CONSENT})")
    parser.add_argument(
        "--runtime",
        choices=("embedded", "kafka"),
        default="embedded",
        help="kafka: on a broker and PostgreSQL that are started for it",
    )
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="made afresh (default: .demo)")
    return parser.parse_args(words)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an ordinary way out, so that what was started is ended."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
