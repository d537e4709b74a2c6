"""The table that a campaign on the scaled runtime prints."""

from tests.scaled.troupe import Result


def table(result: Result) -> str:
    """Return the figures, a line each."""
    found = result.findings
    accepted = ", ".join(f"{name} {n:,}" for name, n in sorted(found.accepted.items()))
    states = ", ".join(f"{name} {n:,}" for name, n in sorted(found.states.items()))
    acts = ", ".join(f"{name} {n}" for name, n in sorted(result.acts.items()))
    lines = [
        ("kills, leaves, joins", f"{result.kills} (kill -9), {result.leaves}, {result.joins}"),
        ("acts", acts),
        ("sign-ups acknowledged", f"{result.acknowledged:,}; steps of walkers {result.steps:,}"),
        ("never answered", f"{result.unanswered}"),
        ("repeated by clients", f"{result.repeats:,}; {found.repeated:,} messages twice among {found.journal:,}"),
        ("releases published", f"{result.published}; {found.moved:,} runs moved; {found.coupons} codes given"),
        ("touches", f"{found.touches:,}: {states}"),
        ("accepted by providers", f"{accepted}; {found.deduped} resends collapsed by key"),
        ("duplicates", f"{found.duplicates}"),
        ("silent losses", f"{found.lost}"),
        ("uncertain", f"{found.uncertain}, of which delivered {found.uncertain_delivered}"),
        ("slowest clean leave", f"{result.slowest_leave:.1f} s"),
        ("ended by themselves", f"{len(result.bad_ends)} {sorted(set(result.bad_ends))[:5] or ''}"),
        ("drained after", f"{result.drained_after:.1f} s"),
        ("took", f"{result.took:.0f} s"),
        ("audit", "clean" if found.is_clean else found.words()),
    ]
    return "\n".join(f"{name:26}{value}" for name, value in lines)
