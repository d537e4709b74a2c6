"""The table that a campaign prints."""

from statistics import median

from tests.crash.campaign import Result


def table(result: Result) -> str:
    """Return the figures, a line each."""
    found = result.findings
    restarts = sorted(result.restarts) or [0.0]
    share = result.with_in_flight / max(result.kills, 1)
    accepted = ", ".join(f"{name} {n:,}" for name, n in sorted(found.accepted.items()))
    states = ", ".join(f"{name} {n:,}" for name, n in sorted(found.states.items()))
    lines = [
        (
            "kills (kill -9)",
            f"{result.kills}, {sum(result.at_failpoints.values())} of them at {len(result.at_failpoints)} failpoints",
        ),
        ("left something in flight", f"{result.with_in_flight} ({share:.0%})"),
        ("freezes, second starts refused", f"{result.freezes}, {_second_starts(result)}"),
        ("sign-ups acknowledged", f"{result.acknowledged:,} ({result.unanswered} never answered)"),
        ("posts repeated by clients", f"{result.retried:,}; {found.repeated:,} messages twice in the journal"),
        ("releases published", f"{result.published}; {found.moved:,} runs moved; {found.coupons} codes given"),
        (
            "people",
            f"{result.erased} erased, {result.united} pairs united, {result.parted} of them parted, {result.shut} shut",
        ),
        ("touches", f"{found.touches:,}: {states}"),
        ("accepted by providers", f"{accepted}; {found.deduped} resends collapsed by key"),
        ("duplicates", f"{found.duplicates}"),
        ("silent losses", f"{found.lost}"),
        ("uncertain", f"{found.uncertain}, of which delivered {found.uncertain_delivered}"),
        ("restart to serving", f"median {median(restarts):.2f} s, worst {restarts[-1]:.2f} s"),
        ("drained after", f"{result.drained_after:.1f} s"),
        ("took", f"{result.took:.0f} s"),
        ("audit", "clean" if found.is_clean else found.words()),
    ]
    return "\n".join(f"{name:32}{value}" for name, value in lines)


def _second_starts(result: Result) -> str:
    worst = f", the slowest after {max(result.second_starts):.2f} s" if result.second_starts else ""
    return f"{len(result.second_starts)}{worst}"
