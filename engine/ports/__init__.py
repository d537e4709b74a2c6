"""What the use cases ask of the world, one Protocol each. Adapters implement them; nobody else imports adapters."""

from engine.ports.channel import Answering, Channel, Message, NotSent, Rendered, Rendering, Result, Sent, Unclear
from engine.ports.rows import (
    Attempt,
    Changes,
    Counts,
    CouponRow,
    DeadLetter,
    FactRow,
    JobRow,
    PoolRow,
    RunQuery,
    ScheduleRow,
    TouchQuery,
    TouchRow,
)
from engine.ports.store import Clock, EventLog, Logged, Reader, Store, Unit

__all__ = [
    "Answering",
    "Attempt",
    "Changes",
    "Channel",
    "Clock",
    "Counts",
    "CouponRow",
    "DeadLetter",
    "EventLog",
    "FactRow",
    "JobRow",
    "Logged",
    "Message",
    "NotSent",
    "PoolRow",
    "Reader",
    "Rendered",
    "Rendering",
    "Result",
    "RunQuery",
    "ScheduleRow",
    "Sent",
    "Store",
    "TouchQuery",
    "TouchRow",
    "Unclear",
    "Unit",
]
