"""A workspace: settings, rules, templates and secrets on disk, and the way to what it keeps. Opened by every command.

`storage.py` and `database.py` know where state and log are; nothing is opened before it is asked for.
"""

import hmac
import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import FILE, Settings, load_settings
from engine.bootstrap import storage
from engine.bootstrap.storage import Files
from engine.core.errors import BadSetting
from engine.core.plan import Audience, Plan, Policy
from engine.ports import History, Store
from journeys.audience import load_audience
from journeys.check import load_workspace
from journeys.problems import Problem

if TYPE_CHECKING:
    from channels.templates import Library


class Workspace:
    """The folder that `journeyd init` makes. `Workspace.open(root, environ)` raises `BadSetting` for a wrong one."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.root, self.settings = root, settings
        self.data = root / settings.data

    @classmethod
    def open(cls, root: Path, environ: Mapping[str, str]) -> "Workspace":
        """Read the settings of the workspace at `root`."""
        if not (root / FILE).is_file():
            raise BadSetting(f"{root} is no workspace: there is no {FILE} in it. Make one with `journeyd init`")
        return cls(root, load_settings(root, environ))

    def audience(self) -> Audience:
        """Return the audience's rules; raises `BadSetting` with every problem, a line each."""
        settings = self.settings
        base = Policy(default_zone=settings.default_zone, max_event_age=settings.max_event_age)
        audience, problems = load_audience(self.root / "audience", base=base)
        refuse(problems)
        return audience

    def plans(self) -> list[Plan]:
        """Return the journeys, compiled and linted; raises `BadSetting` with every error, a line each."""
        plans, problems = load_workspace(self.root)
        refuse(problems)
        return plans

    def library(self) -> "Library":
        """Return the templates."""
        from channels.templates import Library

        return Library(self.root / "templates")

    # --- what is kept

    @property
    def is_shared(self) -> bool:
        """Say whether events travel by a topic, so that several processes work on one store."""
        return bool(self.settings.stream.brokers)

    @property
    def is_sqlite(self) -> bool:
        """Say whether state and log are files of the data folder."""
        return not self.settings.store.url.is_set

    def is_lived_in(self) -> bool:
        """Say whether there is a store already."""
        if self.is_sqlite:
            return (self.data / "store.db").exists()
        from engine.bootstrap.database import is_made

        return is_made(self.settings)

    def read_store(self) -> Store:
        """Return the store for reading, also while a daemon runs; raises `BadSetting` when there is none yet."""
        if not self.is_lived_in():
            raise BadSetting(
                f"{self.root} has no data yet: start it with `journeyd run`, or import with `journeyd ingest`"
            )
        if self.is_sqlite:
            return storage.sqlite_store(self.data)
        from engine.bootstrap.database import read_store

        return read_store(self.settings)

    def read_log(self) -> History:
        """Return what was logged, for reading, also while a daemon runs: of every partition where there are many."""
        if not ((self.data / "journal.db").exists() if self.is_sqlite else self.is_lived_in()):
            raise BadSetting(f"{self.root} has no log yet: start it with `journeyd run`, or give files with --history")
        if self.is_sqlite:
            return storage.sqlite_log(self.data)
        from engine.bootstrap.database import read_log

        return read_log(self.settings)

    def files(self) -> Files:
        """Return what may be written; raises `AlreadyRunning` when a daemon holds it.

        Where several processes share the store nobody holds it: words go to the desk, events into the topic.
        """
        if self.is_sqlite:
            return storage.sqlite_files(self.data, self.settings)
        from engine.bootstrap.database import own_files, shared_files

        return shared_files(self.settings) if self.is_shared else own_files(self.settings)

    @contextmanager
    def while_nobody_runs(self) -> Iterator[None]:
        """Hold the workspace for a moment; raises `AlreadyRunning` when a daemon does."""
        if self.is_sqlite:
            with storage.nobody_runs(self.data):
                yield
            return
        from engine.bootstrap.database import held

        hold = held(self.settings, "with_others" if self.is_shared else "alone")
        try:
            yield
        finally:
            hold.release()

    # --- secrets

    def signing_key(self) -> bytes:
        """Return the key that signs links and names callbacks: the setting, or one made once in the data folder."""
        if self.settings.signing_key is not None:
            return self.settings.signing_key.reveal().encode()
        return self._made_once("signing.key", lambda: secrets.token_hex(32)).encode()

    def webhook_secrets(self) -> list[str]:
        """Return the secrets that webhooks are signed with: the settings', or one made once in the data folder."""
        said = self.settings.webhook
        made = self._made_once("webhook.key", _new_webhook_secret) if said.secret is None else said.secret.reveal()
        return [made] if said.old_secret is None else [made, said.old_secret.reveal()]

    def sandbox_push_key(self) -> str:
        """Return the private key (PEM) of the sandbox's push account, made once in the data folder."""
        return self._made_once("sandbox-push.key", _new_push_key)

    def _made_once(self, name: str, make: Callable[[], str]) -> str:
        """Return a secret of the data folder; the first who asks makes it, readable for this user alone."""
        path = self.data / name
        if not path.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            draft = self.data / f"{name}.{os.getpid()}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
            with suppress(FileExistsError):  # several processes may start at once: the first one's holds
                os.link(draft, path)
            draft.unlink()
        return path.read_text().strip()

    def callback_secret(self, name: str) -> str:
        """Return the unguessable last part of a callback path such as "sms/aliyun"."""
        return hmac.digest(self.signing_key(), b"callback:" + name.encode(), "sha256").hex()[:32]

    def callback_url(self, name: str) -> str:
        """Return the address that a provider is told to call."""
        return f"{self.settings.server.public_url}/callbacks/{name}/{self.callback_secret(name)}"


def _new_webhook_secret() -> str:
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode("ascii")


def _new_push_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65_537, 2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def refuse(problems: list[Problem]) -> None:
    """Raise `BadSetting` with every error among the problems; warnings pass."""
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    if errors:
        raise BadSetting("\n".join(errors))
