"""What the command line refuses is said in the reader's language; rows of imported files are named in English only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine import cli
from engine.cli.main import app
from engine.cli.refusals import chinese

ROWS = {"csv_shape", "rows", "intake", "past_files", "ingest"}
"""Complaints about single rows of files, collected for the one who imports."""


def sentences() -> Iterator[tuple[str, str]]:
    """Every sentence that a command refuses with, `{}` filled in, as it stands in the source."""
    assert cli.__file__ is not None
    for file in sorted(Path(cli.__file__).parent.glob("*.py")):
        if file.stem in {*ROWS, "refusals"}:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"BadInput", "BadSetting"}:
                yield from ((file.stem, said) for said in map(written, node.args[:2]) if said)


def written(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            if isinstance(parts[0], ast.FormattedValue) and getattr(parts[0].value, "id", "") == "FILE":
                return ""
            return "".join(str(part.value) if isinstance(part, ast.Constant) else filled(part) for part in parts)
        case _:
            return ""


def filled(part: ast.expr) -> str:
    named = getattr(getattr(part, "value", None), "id", "")
    return {"FILE": "journeyd.yaml", "what": "is not empty", "option": "--stock"}.get(named, "x")


@pytest.mark.parametrize(("module", "sentence"), sorted(set(sentences())))
def test_every_refusal_has_its_chinese(module: str, sentence: str) -> None:
    assert chinese(sentence), f"{module}: say it in engine/cli/refusals.py"


def test_a_refusal_is_said_in_the_language_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(app, ["--lang", "zh", "versions"])
    assert (run.exit_code, "没有 journeyd.yaml" in run.output) == (2, True)
    run = CliRunner().invoke(app, ["versions"])
    assert (run.exit_code, "There is no journeyd.yaml" in run.output) == (2, True)


def test_a_customer_asked_for_before_there_is_data_is_no_unknown_journey(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["init", str(tmp_path / "shop")])
    run = CliRunner().invoke(app, ["-w", str(tmp_path / "shop"), "explain", "user_id:u1"])
    assert (run.exit_code, "has no data yet" in run.output) == (2, True)
