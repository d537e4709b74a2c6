"""What the options of `journeyd mine` ask of a model, checked, and the model run accordingly. Called by `mine.py`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from engine.cli.instants import parse_moment
from engine.cli.mine_words import Seen, examples, seen
from engine.core.errors import BadInput
from engine.core.ids import DAY, SECOND, Micros
from engine.mining import affinity, churn, offers, purchases, rfm
from engine.mining.learning import learner
from engine.mining.quality import Judgement
from engine.mining.verdicts import Mined, Terms, check_enough, version_of

if TYPE_CHECKING:
    from engine.bootstrap.mining import Past

_OPTIONS: Final = {
    "rfm": {"value": "total"},
    "churn": {"value": "total", "within": "30d", "learn": "logistic", "bands": "0.4,0.7"},
    "affinity": {"of": "category", "share": "30%"},
    "next-best": {"of": "product_id"},
}
"""Model -> the options it knows and what they are unless said."""


class Findings(msgspec.Struct, frozen=True):
    """What a run found: the past it saw, the verdicts, and of churn how good it is."""

    seen: Seen
    mined: Mined
    judgement: Judgement | None = None

    def with_losses(self, refused: int, trimmed: int) -> "Findings":
        """Return it with what the source could not give."""
        past = msgspec.structs.replace(self.seen, refused=refused, trimmed=trimmed)
        return msgspec.structs.replace(self, seen=past)

    def shown(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        mined = self.mined
        return {
            "model": mined.model,
            "version": mined.version,
            "history": msgspec.structs.asdict(self.seen),
            "tags": dict(mined.counts()),
            "examples": [
                {"customer": id_, "tag": one.tag, "score": one.score, **one.why} for id_, one in examples(mined)
            ],
            "judgement": None if self.judgement is None else msgspec.to_builtins(self.judgement),
        }


class Asked(msgspec.Struct, frozen=True):
    """A model and its options. `lasts`: how long the tags do; `since`: as said, "" from the beginning."""

    model: str
    event: str
    options: dict[str, str]
    since: str
    lasts: Micros

    def since_of(self, now: Micros, zone: ZoneInfo) -> Micros:
        """Return the instant that --since means."""
        since = parse_moment(self.since, "--since", zone)
        if since >= now:
            raise BadInput(f"--since {self.since} is not in the past", "Write 365d, or a date")
        return since

    def terms(self, version: str, declared: frozenset[str], now: Micros) -> Terms:
        """Return how the tags are given."""
        return Terms(self.model, version, now + self.lasts, declared)

    def find(self, past: "Past", page_done: Callable[[], None], zone: ZoneInfo) -> Findings:
        """Run the model over the past; raises `BadInput` when it says nothing of anybody."""
        judgement = None
        match self.model:
            case "churn":
                learn = learner(_kind(self.options["learn"]))
                held = self._purchases(past, page_done)
                horizon, bands = _days(self.options["within"]), _bands(self.options["bands"])
                verdicts, judgement = churn.churn(held, past.last, horizon, learn, bands)
                customers = len(held)
            case "affinity":
                tastes = affinity.gather(past.pairs(page_done), self.event, self.options["of"])
                verdicts = affinity.affinity(tastes, affinity.Liking(share=_share(self.options["share"])))
                customers = len(tastes)
            case "next-best":
                baskets = offers.gather(past.pairs(page_done), self.event, self.options["of"])
                verdicts = offers.next_best(baskets, offers.Shelf())
                customers = len(baskets)
            case _:
                held = self._purchases(past, page_done)
                verdicts = rfm.rfm(held, past.last)
                customers = len(held)
        check_enough(verdicts, "clear answer")
        day = datetime.fromtimestamp(past.last // SECOND, zone).date().isoformat()
        version = version_of(self.model, {"event": self.event, "since": self.since, **self.options}, day)
        return Findings(seen(past, customers, 0, 0), Mined(self.model, version, verdicts), judgement)

    def _purchases(self, past: "Past", page_done: Callable[[], None]) -> dict[str, purchases.Purchases]:
        return purchases.gather(past.pairs(page_done), self.event, self.options["value"])


def asked_of(model: str, event: str, said: Mapping[str, str], *, since: str, every: str, lasts: str) -> Asked:
    """Return what is asked; raises `BadInput` for an option of another model or a value that is none."""
    known = _OPTIONS[model]
    for name, value in said.items():
        if value and name not in known:
            raise BadInput(f"--{name} is not for {model}", f"It knows {', '.join('--' + one for one in known)}")
    options = {name: said.get(name) or usual for name, usual in known.items()}
    for name, check in _CHECKS.items():
        if name in options:
            check(options[name])
    return Asked(model, event, options, since, _days(lasts, "--for") if lasts else 2 * _days(every, "--every"))


def _days(said: str, option: str = "--within") -> Micros:
    from config.units import parse_duration

    try:
        found = parse_duration(said)
    except ValueError:
        found = 0
    if not DAY <= found <= 3_650 * DAY:
        raise BadInput(f"{option} {said[:64]} is no number of days", "Write 30d, between 1d and 3650d")
    return found


def _bands(said: str) -> churn.Bands:
    low, comma, high = said.partition(",")
    try:
        bands = churn.Bands(float(low), float(high)) if comma else None
    except ValueError:
        bands = None
    if bands is None or not 0 < bands.medium < bands.high < 1:
        raise BadInput(f"--bands {said[:64]} is not two probabilities", "Write the lower one first: 0.4,0.7")
    return bands


def _kind(said: str) -> Any:
    if said not in {"logistic", "boosting"}:
        raise BadInput(f"--learn {said[:64]} is not known", "Use logistic or boosting")
    return said


def _share(said: str) -> float:
    text = said.strip()
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 < number <= 1:
        raise BadInput(f"--share {said[:64]} is no share", "Write 30%, or 0.3")
    return number


_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "within": _days,
    "bands": _bands,
    "learn": _kind,
    "share": _share,
}
