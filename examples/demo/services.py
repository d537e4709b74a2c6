"""PostgreSQL and a broker beside the demo, for `RUNTIME=kafka`: started from packages, written into the settings.

Every command then works on them; nothing else in the demo knows which runtime it shows.
"""

import json
from pathlib import Path
from typing import Final

from config.settings import FILE
from deploy.local import create_database
from examples.demo.commands import Commands, Failed

DATABASE: Final = "demo"


def start(commands: Commands, shop: Path) -> None:
    """Start both, and let the workspace's settings lead to them; raises `Failed` where they cannot be had."""
    folder = commands.folder / "services"
    told = commands.folder / "services.json"
    commands.start_module(
        ("deploy.local", "--folder", str(folder), "--tell", str(told)),
        log=commands.folder / "services.log",
        ready=told.is_file,
    )
    said: dict[str, str] = json.loads(told.read_text(encoding="utf-8"))
    if missing := said.get("missing"):
        raise Failed(missing)
    create_database(said["postgres"], DATABASE)
    address = said["postgres"].rpartition("/")[0] + "/" + DATABASE
    with (shop / FILE).open("a", encoding="utf-8") as settings:
        settings.write(f'\nstore:\n  url: "{address}"\n\nstream:\n  brokers: ["{said["kafka"]}"]\n')
    commands.say(f"(journeyd.yaml: store.url {address}, stream.brokers {said['kafka']}; the rest is as it was)")
