"""What the dispatcher asks of a channel and of the renderer. Adapters: channels/."""

from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from engine.core.commands import Touch
from engine.core.delivery import Retry
from engine.core.ids import Micros
from engine.core.state import Account, Customer


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rendered touch, ready to hand over: the same touch always renders to the same `content`.

    `content` is msgpack of the channel's own content struct (channels/<channel>); `key` is the touch id.
    """

    key: str
    channel: str
    address: str
    template: str
    content: bytes
    attempt: int = 1
    purpose: str = "marketing"


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, tag="sent"):
    """The provider took it. `delivered` when the channel knows no later receipt."""

    provider_id: str = ""
    detail: str = ""
    delivered: bool = False


class NotSent(msgspec.Struct, frozen=True, omit_defaults=True, tag="not_sent"):
    """Certainly not sent: no byte of the message was accepted. `retry_after` microseconds, if said."""

    retry: Retry
    detail: str
    code: str = ""
    retry_after: Micros = 0


class Unclear(msgspec.Struct, frozen=True, omit_defaults=True, tag="unclear"):
    """Bytes left and no certain word came back."""

    detail: str


Result: TypeAlias = Sent | NotSent | Unclear


class Rendered(msgspec.Struct, frozen=True):
    """`content`: msgpack of the channel's content struct. `hash`: hex digest of it, kept with the touch.

    `keyed` is false for a kind of message whose resend the provider does not collapse although the channel has a
    `key_window` (a WeChat customer-service message): an uncertain one is never sent again.
    """

    content: bytes
    hash: str
    keyed: bool = True


class Channel(Protocol):
    """An adapter to one provider. It never raises for what a provider does: it answers with a `Result`.

    `provider` names it ("smtp", "aliyun", "wechat"); `key_window` is how long (microseconds) the provider
    collapses a resend under the same key, 0 when it does not.
    """

    provider: str
    channel: str
    key_window: Micros

    async def open(self) -> None:
        """Make pools and clients; may be called again after `close`."""
        ...

    async def send(self, message: Message) -> Result:
        """Hand the message over. Bounded by the adapter's own time-outs."""
        ...

    async def close(self) -> None:
        """Finish what is in flight and release; idempotent."""
        ...


@runtime_checkable
class Answering(Protocol):
    """A channel whose provider can be asked what became of a message: the "query first" of doubtful hand-overs."""

    async def look_up(self, message_key: str, address: str, at: Micros) -> Sent | None:
        """Return `Sent` when the provider certainly has the message handed over at `at`, None when it cannot say.

        None never means "not sent". Bounded by the adapter's own time-outs; never raises for what a provider does.
        """
        ...


class Rendering(Protocol):
    """Turns a touch and whom it is about into content. Pure: same input, same bytes."""

    def render(
        self, touch: Touch, customer: Customer, account: Account | None = None, contact: Customer | None = None
    ) -> Rendered:
        """Return the content; raises `TemplateProblem` with file and line.

        `account` is the customer's company, `contact` who is written to when that is somebody else.
        """
        ...
