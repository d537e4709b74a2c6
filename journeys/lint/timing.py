"""Messages that come too late or too often, and coupon pools. Called by `check.py` for each journey."""

from collections.abc import Iterator

from engine.core.ids import DAY, HOUR, MINUTE, SECOND, Micros
from engine.core.plan import Coupon, OnEvent, Plan, Send, Span, Wait
from journeys.flow import ways_on
from journeys.lint.circles import steps_at_once
from journeys.lint.known import POOL_LEAST
from journeys.lint.scene import Scene
from journeys.problems import Problem, nearest


def check_timing(scene: Scene) -> Iterator[Problem]:
    """Yield messages that quiet hours outlive, and journeys that write at every event."""
    plan, policy = scene.plan, scene.known.audience.policy
    quiet = plan.quiet or policy.quiet
    for node in plan.nodes:
        if not isinstance(node, Send) or (node.purpose or plan.purpose) in policy.exempt or quiet is None:
            continue
        lives = _length(node.expires or plan.expires)
        lasts = (quiet.end - quiet.start) % (24 * 60) * MINUTE
        # Who sets `expires` to half the night or more has thought of the night.
        if quiet.late == "wait" and lives and lives * 2 < lasts:
            hours = f"{_clock(quiet.start)}-{_clock(quiet.end)}"
            lost = f"{_clock(quiet.start)}-{_clock((quiet.end - lives // MINUTE) % (24 * 60))}"
            data = {"hours": hours, "expires": _span(lives), "lost": lost}
            where = scene.in_step(node.id, "expires") if node.expires else scene.at("expires")
            yield Problem("J121", where, data)
    if isinstance(plan.enter, OnEvent) and plan.again.policy == "always" and plan.key is None:
        soon = steps_at_once(plan)
        sends = [node for node in plan.nodes if isinstance(node, Send) and node.id in soon]
        for node in sends[:1]:
            if (node.purpose or plan.purpose) not in policy.exempt:
                yield Problem("J125", scene.at("enter", "again"), {"template": node.template})


def check_pools(scene: Scene) -> Iterator[Problem]:
    """Yield coupon steps without a pool, with a small one, and codes that are issued long before their message."""
    pools = scene.known.pools
    for node in scene.plan.nodes:
        if not isinstance(node, Coupon):
            continue
        place = scene.in_step(node.id, "coupon")
        if pools is not None and node.pool not in pools:
            # Codes may also come through the API: only what looks like a slip is surely wrong.
            near = nearest(node.pool, pools)
            yield Problem("J118" if near else "J113", place, {"name": node.pool, "near": near})
        elif pools is not None and pools[node.pool] < POOL_LEAST:
            yield Problem("J119", place, {"name": node.pool, "count": pools[node.pool], "least": POOL_LEAST})
        found = _late_send(scene.plan, node)
        if found is not None:
            send, waited, lives = found
            data = {"template": send.template, "waited": _span(waited), "expires": _span(lives)}
            yield Problem("J120", place, data)


def _late_send(plan: Plan, coupon: Coupon) -> tuple[Send, Micros, Micros] | None:
    """Return the first message after the coupon if the waits before it are longer than it lives."""
    ahead = [(coupon.next, 0)]
    seen: set[str] = set()
    while ahead:
        id_, waited = ahead.pop()
        node = plan.steps.get(id_)
        if node is None or id_ in seen:
            continue
        seen.add(id_)
        if isinstance(node, Send):
            lives = _length(node.expires or plan.expires)
            if lives and waited > lives:
                return node, waited, lives
            continue
        waits = _length(node.span) if isinstance(node, Wait) else 0
        ahead += [(way, waited + waits) for way in ways_on(node)]
    return None


def _length(span: Span | None) -> Micros:
    return 0 if span is None else span.micros + span.months * 30 * DAY


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _span(micros: Micros) -> str:
    """Write a length as the marketer would.

    >>> _span(36 * HOUR), _span(90 * MINUTE)
    ('36h', '90m')
    """
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if micros % size == 0 and (unit != "d" or micros >= 2 * DAY):
            return f"{micros // size}{unit}"
    return f"{micros // SECOND}s"
