"""Complaints in the two forms that machines show beside the line they are about: SARIF 2.1.0 and GitHub's commands.

Both take complaints as plain data (`Problem.describe()`) with paths relative to the repository. Called by
`journeyd lint --format sarif|github`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from journeys.wording import CODES

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
HELP: Final = "https://github.com/journeyd/journeyd/blob/main/docs/errors.md"
TEMPLATE_RULES: Final = {
    "T001": ("error", "a template cannot be read or rendered", "模板无法读取或渲染"),
    "T002": ("warning", "a marketing email shows no unsubscribe link", "营销邮件没有退订链接"),
}
"""The complaints of the template library: their words come with each of them."""

Complaint = Mapping[str, Any]


def sarif(complaints: Sequence[Complaint], version: str) -> dict[str, Any]:
    """Return the log of one run: every rule that is complained of, with its words in both languages, and each result.

    >>> sarif([], "1.0")["runs"][0]["results"]
    []
    """
    codes = sorted({one["code"] for one in complaints})
    driver = {
        "name": "journeyd",
        "version": version,
        "informationUri": HELP,
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes.index(one["code"])) for one in complaints],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    if code in CODES:
        words = CODES[code]
        severity = words.severity
        en, zh = f"{words.en}. {words.en_remedy}.", f"{words.zh}。{words.zh_remedy}。"
        short = words.en
    else:
        severity, short, zh = TEMPLATE_RULES.get(code, ("error", code, code))  # type: ignore[assignment]
        en = short
    return {
        "id": code,
        "shortDescription": {"text": short},
        "fullDescription": {"text": en},
        "help": {"text": f"{en}\n{zh}", "markdown": f"{en}\n\n{zh}"},
        "helpUri": HELP,
        "defaultConfiguration": {"level": severity},
    }


def _result(one: Complaint, rule: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(one["file"].replace("\\", "/"))}}
    if one["line"]:
        place["region"] = {"startLine": one["line"], "startColumn": max(one["column"], 1)}
    return {
        "ruleId": one["code"],
        "ruleIndex": rule,
        "level": one["severity"],
        "message": {"text": said(one)},
        "locations": [{"physicalLocation": place}],
    }


def github(complaints: Sequence[Complaint]) -> Iterator[str]:
    """Yield a workflow command per complaint: GitHub shows it beside the line.

    >>> one = {"code": "J003", "severity": "error", "file": "a.yaml", "line": 1, "column": 1}
    >>> list(github([{**one, "message": "100% empty", "remedy": "Fill it"}]))
    ['::error file=a.yaml,line=1,col=1,title=J003::100%25 empty. Fill it']
    """
    for one in complaints:
        where = f",line={one['line']},col={max(one['column'], 1)}" if one["line"] else ""
        file = _escaped(one["file"]).replace(":", "%3A").replace(",", "%2C")
        yield f"::{one['severity']} file={file}{where},title={one['code']}::{_escaped(said(one))}"


def said(one: Complaint) -> str:
    """Return what is wrong and what to write instead, in one line."""
    return " ".join(f"{one['message']}. {one['remedy']}".split()) if one["remedy"] else one["message"]


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
