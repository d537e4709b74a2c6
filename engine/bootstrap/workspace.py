"""A workspace on disk: its settings, rules, templates, secrets and files. Opened by every command.

Reads only; `Files` opens what may be written, and only one process may hold that.
"""

import hmac
import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from config.settings import FILE, Settings, load_settings
from engine.bootstrap.ledger import check_key, erase_again
from engine.core.errors import BadSetting
from engine.core.plan import Audience, Plan, Policy
from engine.store.sqlite import SqliteLog, SqliteStore, WorkspaceLock
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

    def read_store(self) -> SqliteStore:
        """Return the store for reading, also while a daemon runs."""
        path = self.data / "store.db"
        if not path.exists():
            raise BadSetting(
                f"{self.root} has no data yet: start it with `journeyd run`, or import with `journeyd ingest`"
            )
        return SqliteStore.open_readonly(path)

    def files(self) -> "Files":
        """Return the files to write; raises `AlreadyRunning` when a daemon holds them."""
        self.data.mkdir(parents=True, exist_ok=True)
        check_key(self.data)
        lock = WorkspaceLock(self.data / "lock")
        lock.acquire()
        try:
            store = SqliteStore(self.data / "store.db", dedupe_window=self.settings.log.dedupe_window)
            log = SqliteLog(self.data / "journal.db")
            log.go_on_after(store.position())
            erase_again(store.ledger, store, log)
            return Files(lock, log, store)
        except BaseException:
            lock.release()
            raise

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
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
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


@dataclass(frozen=True)
class Files:
    """What one process may write: the lock, the log and the store."""

    lock: WorkspaceLock
    log: SqliteLog
    store: SqliteStore

    def close(self) -> None:
        """Flush, close and let the next process in."""
        self.log.close()
        self.store.close()
        self.lock.release()


def refuse(problems: list[Problem]) -> None:
    """Raise `BadSetting` with every error among the problems; warnings pass."""
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    if errors:
        raise BadSetting("\n".join(errors))
