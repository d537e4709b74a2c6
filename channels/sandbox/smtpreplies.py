"""What the mail server says: its capabilities, and its words for what goes wrong on purpose. Used by `smtpdialogue`."""

from typing import Final

from channels.sandbox.dials import Fault, Trouble

_REPLIES: Final[dict[str, str]] = {
    Fault.REFUSE: "550 5.1.1 no such user here",
    Fault.RATE_LIMIT: "421 4.7.0 too many messages, slow down",
    Fault.ERROR_BEFORE: "451 4.3.0 local error, try again later",
    Fault.ERROR_AFTER: "554 5.3.0 transaction failed",
    "full": "452 4.2.2 mailbox is full",
    "spam": "554 5.7.1 message looks like spam",
}


def capabilities(max_size: int, *, is_tls_open: bool) -> str:
    """Return the answer to EHLO."""
    offers = ["sandbox", f"SIZE {max_size}", "8BITMIME", "PIPELINING", "SMTPUTF8", "AUTH PLAIN LOGIN"]
    offers += ["STARTTLS"] if is_tls_open else []
    return "\r\n".join([f"250-{offer}" for offer in offers] + ["250 ENHANCEDSTATUSCODES"])


def is_said_at_rcpt(trouble: Trouble) -> bool:
    """Say whether the recipient is refused, rather than the body after it."""
    return trouble.fault is Fault.RATE_LIMIT or (trouble.fault is Fault.REFUSE and trouble.code != "spam")


def reply_of(trouble: Trouble) -> str:
    """Return the line; a dial whose code starts with three digits says its own."""
    if trouble.code[:3].isdigit():
        return trouble.code.replace("\r", " ").replace("\n", " ")
    return _REPLIES.get(trouble.code) or _REPLIES[trouble.fault]
