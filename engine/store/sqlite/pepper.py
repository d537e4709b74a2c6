"""The key of fingerprints in a file beside store.db: made once, readable for this user alone.

It must outlive every restore: without it the erasure ledger and the suppression list recognise nobody.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from engine.core.errors import BadInput

FILE: Final = "fingerprint.key"
_SIZE: Final = 32


class Pepper:
    """Hands out the key: the one given, else what the file holds."""

    def __init__(self, folder: Path, given: bytes = b"") -> None:
        self._path = folder / FILE
        self._key = given

    def make(self) -> None:
        """Make the file unless there is one or a key was given; what it holds is on disk before this returns."""
        if self._key or self._path.exists():
            return
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SIZE))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self._path)  # half a key under this name would be worse than none
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def key(self) -> bytes:
        """Return the key; raises `BadInput` when the file is gone or is not one."""
        if not self._key:
            key = self._path.read_bytes() if self._path.exists() else b""
            if len(key) != _SIZE:
                problem = f"{self._path}, the key of the erasure ledger and the suppression list, is missing or cut"
                raise BadInput(problem, "Restore it from the backup")
            self._key = key
        return self._key
