"""Complaints as SARIF 2.1.0: what the standard requires of a log, and what code scanning needs of it."""

from typing import Any

import pytest

from engine.core.errors import Place
from journeys.problems import Problem
from journeys.sarif import github, sarif
from journeys.wording import CODES

TEMPLATE = {
    "code": "T001",
    "severity": "error",
    "file": "templates/欢迎 1/subject",
    "line": 0,
    "column": 0,
    "message": "it cannot be read",
    "remedy": "",
}


def complaint(code: str, file: str = "journeys/a.yaml", line: int = 3, column: int = 7) -> dict[str, Any]:
    return Problem(code, Place(file, line, column)).describe()


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_rule_is_told_in_both_languages_with_its_level(code: str) -> None:
    (run,) = sarif([complaint(code)], "1.0")["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    words = CODES[code]
    assert rule["id"] == result["ruleId"] == code
    assert words.en in rule["help"]["text"]
    assert words.zh in rule["help"]["text"]
    assert rule["defaultConfiguration"]["level"] == result["level"] == words.severity


def test_a_log_has_what_the_standard_requires() -> None:
    log = sarif([complaint("J010"), TEMPLATE, complaint("J010", line=4)], "1.0")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert run["tool"]["driver"]["name"] == "journeyd"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["J010", "T001"]
    assert [one["ruleIndex"] for one in run["results"]] == [0, 1, 0]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert places[0] == {"artifactLocation": {"uri": "journeys/a.yaml"}, "region": {"startLine": 3, "startColumn": 7}}
    # A complaint about a whole file has no region; a path is a URI.
    assert places[1] == {"artifactLocation": {"uri": "templates/%E6%AC%A2%E8%BF%8E%201/subject"}}
    assert all(one["message"]["text"] for one in run["results"])


def test_github_gets_one_line_per_complaint_whatever_is_in_it() -> None:
    odd = {**complaint("J003", "a,b:c.yaml"), "message": "50%\nof it"}
    assert list(github([odd, TEMPLATE])) == [
        "::error file=a%2Cb%3Ac.yaml,line=3,col=7,title=J003::50%25 of it. "
        "Write `journey: name` and its steps, or delete it",
        "::error file=templates/欢迎 1/subject,title=T001::it cannot be read",
    ]
