"""The process in which durable-rules runs: reads rules once, then answers each line of customers with a line.

A script of the standard library and the engine's C module, run by `child.py` and imported by nobody: what the module
may do to its process (it reads past arrays, it can hang) stays here. Never its Host, its threads, events or joins;
one session, warmed once, made and deleted for every run.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

import durable_rules_engine as dre

SESSION: Final = "1"


class Ruleset:
    """One ruleset of the engine. `run` gives back the facts that its rules gave, in the order of firing."""

    def __init__(self, number: int, said: dict[str, Any]) -> None:
        self._gives: dict[str, int] = said["gives"]
        self.fields: list[str] = said["fields"]
        self.facts: frozenset[int] = frozenset(said["facts"])
        self.lacks: list[int] = said["lacks"]
        self._budget = 4 * len(self._gives) + 16
        self._handle = dre.create_ruleset(f"rules{number}", said["definition"])
        self._warm()

    def _warm(self) -> None:
        """Let one action run: the first deletion of a session in which none ever ran frees a stray pointer."""
        offset = dre.assert_fact(self._handle, '{"sid":"1","_warm_":1}')[1]
        if not dre.start_action_for_state(self._handle, offset):
            raise RuntimeError("the engine does not start")
        while dre.complete_and_start_action(self._handle, offset):
            pass
        dre.delete_state(self._handle, SESSION)

    def run(self, customer: str, known: Iterable[int]) -> list[int]:
        """Chain from the customer's message and the known facts; raises when rules fire without an end."""
        handle, given = self._handle, {fact for fact in known if fact in self.facts}
        fired: list[int] = []
        try:
            offset = dre.assert_fact(handle, customer)[1]
            for fact in sorted(given):
                offset = dre.assert_fact(handle, _fact(fact))[1]
            started = dre.start_action_for_state(handle, offset)
            said = started[1] if started else None
            while said:
                fact = self._gives[next(iter(json.loads(said)))]
                fired.append(fact)
                if len(fired) > self._budget:
                    raise RuntimeError("more rules fired than there are")
                if fact in self.facts and fact not in given:
                    given.add(fact)
                    dre.assert_fact(handle, _fact(fact))
                said = dre.complete_and_start_action(handle, offset)
            return fired
        finally:
            dre.delete_state(handle, SESSION)


def _fact(number: int) -> str:
    return f'{{"sid":"1","_f":1,"d{number}":1}}'


class Mind:
    """All rulesets, stratum by stratum, and a fixpoint over those of one stratum."""

    def __init__(self, strata: list[list[dict[str, Any]]]) -> None:
        count = 0
        self._strata: list[list[Ruleset]] = []
        for shards in strata:
            self._strata.append([Ruleset(count + place, said) for place, said in enumerate(shards)])
            count += len(shards)

    def derive(self, values: dict[str, str], given: list[int]) -> list[int]:
        """Return the facts that rules gave. `values`: property -> its value as JSON text."""
        known, heads = set(given), set[int]()
        for rulesets in self._strata:
            settled = frozenset(known)  # what is lacked here is of an earlier stratum
            told: list[frozenset[int] | None] = [None] * len(rulesets)
            messages = [_message(one, values, settled) for one in rulesets]
            is_moving = True
            while is_moving:
                is_moving = False
                for place, one in enumerate(rulesets):
                    asked = one.facts & known
                    if asked == told[place]:
                        continue
                    fired = one.run(messages[place], asked)
                    heads.update(fired)
                    known.update(fired)
                    told[place] = asked | one.facts.intersection(fired)
                    is_moving = True
        return sorted(heads)


def _message(one: Ruleset, values: dict[str, str], known: frozenset[int]) -> str:
    """Return the customer as this ruleset may know it: no property that its rules do not ask for."""
    parts = ['{"sid":"1","_c":1']
    parts += [f',"{field}":{values[field]}' for field in one.fields if field in values]
    parts += [f',"x{fact}":1' for fact in one.lacks if fact not in known]
    return "".join((*parts, "}"))


def main() -> None:
    """Serve until the other end closes."""
    mind = Mind(json.loads(sys.stdin.readline()))
    _answer("ready")
    for line in sys.stdin:
        answers: list[list[int] | None] = []
        for values, given in json.loads(line):
            try:
                answers.append(mind.derive(values, given))
            except (dre.error, RuntimeError, MemoryError):
                answers.append(None)  # somebody else must work this one out
        _answer(answers)


def _answer(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
