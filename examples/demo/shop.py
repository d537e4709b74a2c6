"""Makes the demo's workspace: `journeyd init`, free ports, and one journey of our own beside the library's."""

import shutil
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local import free_ports
from engine.core.errors import AlreadyRunning
from engine.store.sqlite import WorkspaceLock
from examples.demo.commands import Commands, Failed

OWN: Final = Path(__file__).with_name("shop")
ASIDE: Final = ("journeys/retain/sleeping.yaml", "journeys/retain/vip-welcome.yaml")
"""Journeys of the library that would write besides those the demo shows: the monthly letter to everybody who is silent
doubles win-back's, and a year of real orders makes VIPs who would be welcomed while they are being thanked."""


class Ports(NamedTuple):
    """Where the demo's processes listen."""

    daemon: int
    smtp: int
    http: int


def make_shop(commands: Commands) -> Path:
    """Make a fresh workspace in the demo's folder and return it."""
    _clear(commands.folder)
    shop = commands.folder / "shop"
    commands.run("init", str(shop), quiet=True)
    _set_ports(shop / "journeyd.yaml", Ports(*free_ports(len(Ports._fields))))
    for aside in (shop / name for name in ASIDE):
        aside.unlink()
        aside.with_suffix(".story.yaml").unlink()
    shutil.copytree(OWN, shop, dirs_exist_ok=True)
    return shop


def _clear(folder: Path) -> None:
    lock = WorkspaceLock(folder / "shop" / ".journeyd" / "lock")
    try:
        if folder.exists():
            lock.acquire()
    except AlreadyRunning as running:
        raise Failed(f"The daemon of an earlier demo still runs: {running}") from None
    finally:
        lock.release()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _set_ports(file: Path, ports: Ports) -> None:
    """Write the ports where the starter's settings have its own."""
    text = file.read_text(encoding="utf-8")
    for old, new in (
        ("  port: 8025", f'  port: {ports.daemon}\n  base_url: "http://127.0.0.1:{ports.daemon}"'),
        ("  smtp_port: 8027", f"  smtp_port: {ports.smtp}"),
        ("  http_port: 8028", f"  http_port: {ports.http}"),
    ):
        if text.count(old) != 1:
            raise Failed(f"{file} has no line {old.strip()!r} to set a free port in")
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
