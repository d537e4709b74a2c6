"""An edited journey deals the same arms to the same people: a rehearsal then shows the edit, and not new dice."""

from collections import Counter

from engine.core.decide import decide
from engine.core.events import Event
from engine.core.ids import HOUR
from engine.core.plan import Arm, OnEvent, Plan, Span, Split, Wait, seal
from engine.core.playbook import Playbook
from engine.core.state import Consent, Customer

NOON = 1_772_366_400_000_000


def dealt(wait: int, customer: str) -> str:
    """The arm that a customer falls into who enters at noon."""
    split = Split("1", "incentive", (Arm("nothing", 1.0, "2"), Arm("coupon", 1.0, "2")))
    plan = seal(Plan("cart", "", "monetize", OnEvent(("cart_updated",)), (split, Wait("2", Span(wait)))))
    who = Customer(id=customer, created=0, consents={"marketing": Consent(True, 0)})
    event = Event(id="e1", name="cart_updated", at=NOON, received=NOON)
    [run] = decide(Playbook([plan]), who, event, NOON).customer.runs
    return run.arms["incentive"]


def test_the_arm_does_not_depend_on_the_version() -> None:
    people = [f"c{number}" for number in range(400)]
    before = [dealt(HOUR, one) for one in people]
    assert before == [dealt(2 * HOUR, one) for one in people]
    assert all(150 < count < 250 for count in Counter(before).values())
    assert len(set(before)) == 2
