"""What the use cases ask of the world, one Protocol each. Adapters implement them; nobody else imports adapters."""

from engine.ports.chainer import Chainer
from engine.ports.channel import Answering, Channel, Message, NotSent, Rendered, Rendering, Result, Sent, Unclear
from engine.ports.partitions import PartitionRow, SharedStore, Turn, TurnStore
from engine.ports.people import ErasureRow, LabelCount, LabelRow, MergeRow, ReviewRow, SuppressionRow
from engine.ports.rows import (
    Attempt,
    Changes,
    Counts,
    CouponRow,
    DeadLetter,
    FactRow,
    JobRow,
    Kept,
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
    "Chainer",
    "Changes",
    "Channel",
    "Clock",
    "Counts",
    "CouponRow",
    "DeadLetter",
    "ErasureRow",
    "EventLog",
    "FactRow",
    "JobRow",
    "Kept",
    "LabelCount",
    "LabelRow",
    "Logged",
    "MergeRow",
    "Message",
    "NotSent",
    "PartitionRow",
    "PoolRow",
    "Reader",
    "Rendered",
    "Rendering",
    "Result",
    "ReviewRow",
    "RunQuery",
    "ScheduleRow",
    "Sent",
    "SharedStore",
    "Store",
    "SuppressionRow",
    "TouchQuery",
    "TouchRow",
    "Turn",
    "TurnStore",
    "Unclear",
    "Unit",
]
