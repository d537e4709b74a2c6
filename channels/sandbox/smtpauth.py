"""AUTH PLAIN and AUTH LOGIN of the sandbox's mail account: answers in, reply lines out. Used by `smtp`."""

from base64 import b64decode
from binascii import Error as Base64Error
from hmac import compare_digest

from channels.sandbox.settings import SmtpAccount

_YES = "235 2.7.0 welcome"
_NO = "535 5.7.8 user or password is wrong"


class Login:
    """One connection's login. `asked` while the next line is an answer to a challenge; `done` once it succeeded."""

    def __init__(self, account: SmtpAccount) -> None:
        self._account = account
        self._step = ""
        self._user = ""
        self.done = False

    @property
    def asked(self) -> bool:
        """Say whether the next line belongs to the login."""
        return bool(self._step)

    def begin(self, rest: str) -> str:
        """Answer `AUTH <mechanism> [initial response]`."""
        mechanism, _, initial = rest.strip().partition(" ")
        if self.done:
            return "503 5.5.1 logged in already"
        match mechanism.upper():
            case "PLAIN":
                self._step = "plain"
                return self.answer(initial) if initial else "334 "
            case "LOGIN":
                self._step = "user"
                return self.answer(initial) if initial else "334 VXNlcm5hbWU6"
            case _:
                return "504 5.5.4 use AUTH PLAIN or AUTH LOGIN"

    def answer(self, line: str) -> str:
        """Answer a challenge's response."""
        step, self._step = self._step, ""
        try:
            said = b64decode(line.strip(), validate=True)
        except (Base64Error, ValueError):
            return "501 5.5.2 that is not base64"
        if step == "plain":
            parts = said.split(b"\0")
            return self._verdict(parts[1], parts[2]) if len(parts) == 3 else _NO
        if step == "user":
            self._user, self._step = said.decode("utf-8", "replace"), "password"
            return "334 UGFzc3dvcmQ6"
        return self._verdict(self._user.encode(), said)

    def _verdict(self, user: bytes, password: bytes) -> str:
        right = compare_digest(user, self._account.user.encode())
        self.done = compare_digest(password, self._account.password.encode()) and right
        return _YES if self.done else _NO
