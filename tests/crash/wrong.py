"""Three engines that are wrong on purpose. If the audit does not convict them, it proves nothing of the right one.

Each is the product with one part put together wrongly; `inject` exchanges it in a daemon process of the harness.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from engine.core.delivery import TouchState
from engine.core.ids import Micros
from engine.ports import Message, Rendered, Result, Sent, Store, TouchQuery, TouchRow
from engine.runtime import embedded
from engine.runtime.dispatcher import Dispatcher
from engine.runtime.dispatching import HandedOver, entries_of
from engine.usecases import deliver, doubt
from engine.usecases.deliver import Leased
from engine.usecases.work import Work


class SendThenMark(Dispatcher):
    """Hands over first and commits that it did afterwards: killed in between, it sends again."""

    async def _let_go(self, ready: Sequence[tuple[TouchRow, Rendered]]) -> None:
        results: dict[str, Result] = {}
        for row, rendered in ready:
            touch = row.touch
            message = Message(touch.id, touch.channel, touch.address, touch.template, rendered.content, row.token + 1)
            self.trip("send.before")
            results[touch.id] = await self._channels[touch.channel].send(message)
            self.trip("send.after")
        now = self._clock.now()
        for one in await _leased(self, ready, now):
            self.lanes[one.message.channel].start(now)
            self._reports.append(_handed_over(self, one, results[one.message.key], now))
        self._reported.set()


class MarkThenSend(Dispatcher):
    """Writes down that it was sent and then sends: killed in between, nobody ever hears of it."""

    async def _let_go(self, ready: Sequence[tuple[TouchRow, Rendered]]) -> None:
        now = self._clock.now()
        leased = await _leased(self, ready, now)
        done = [_handed_over(self, one, Sent(), now) for one in leased]
        await self._engine.accept(partial(entries_of, done, self._dials.backoff))
        for one in leased:
            self.trip("send.before")
            await self._channels[one.message.channel].send(one.message)
            self.trip("send.after")


def lapse_to_ready(store: Store, now: Micros, *, leased_before: Micros = 0) -> int:
    """Take a lapsed lease for "not sent" and let the touch leave again."""
    moved = doubt.lapse(store, now, leased_before=leased_before)
    with store.unit() as unit:
        work = Work(unit, now)
        for row in unit.find_touches(TouchQuery(state=TouchState.UNCERTAIN, limit=1_000)):
            if row.reason == "lapsed":
                work.move(row, TouchState.READY, due=now, content=b"")
        unit.commit(work.flush())
    return moved


async def _leased(dispatcher: Dispatcher, ready: Sequence[tuple[TouchRow, Rendered]], now: Micros) -> Sequence[Leased]:
    terms = dispatcher._dials.terms
    return await dispatcher._engine.call(
        lambda store, playbook: deliver.commit_in_flight(store, playbook, ready, now, terms)
    )


def _handed_over(dispatcher: Dispatcher, one: Leased, result: Result, now: Micros) -> HandedOver:
    return HandedOver(one, result, dispatcher._channels[one.message.channel].provider, now, now)


VARIANTS: Final[dict[str, tuple[str, object]]] = {
    "send-then-mark": ("Dispatcher", SendThenMark),
    "mark-then-send": ("Dispatcher", MarkThenSend),
    "resend-on-lapse": ("lapse", lapse_to_ready),
}
"""Which part of `runtime/embedded.py` is exchanged, and for what."""


def inject(variant: str) -> None:
    """Make this process the wrong engine of that name; "" leaves the product as it is."""
    if variant:
        part, wrong = VARIANTS[variant]
        assert hasattr(embedded, part), f"the engine has no {part} any more: exchange what took its place"
        setattr(embedded, part, wrong)
