"""The documents hold together: links lead somewhere, YAML in them is read and played, no machine of ours is named."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from engine.core.plan import Audience
from journeys.audience import load_audience
from journeys.compile import load_journey
from journeys.forms.audience import FORMS
from journeys.stories.report import render
from journeys.story import run_stories

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "journeys" / "README.md"})
WITH_JOURNEYS = [path for path in DOCUMENTS if path.parent != ROOT / "journeys"]
FENCE = re.compile(r"^```[^\n]*\n.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def fenced(path: Path) -> list[str]:
    return FENCE.findall(path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for link in LINK.findall(prose(path)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{name_of(path)}: {link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{name_of(path)}: {link} leads out of the project"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name_of(path)}: {name_of(target)} has no #{anchor}"


def fences(path: Path, kind: str) -> list[str]:
    return re.findall(rf"^```yaml {kind}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def audience_of(path: Path, folder: Path) -> Audience:
    """Return the audience that a page's own `yaml segments`, `yaml tags`, ... fences make; a kind is shown once."""
    for kind in FORMS:
        for body in fences(path, kind):
            assert not (folder / f"{kind}.yaml").exists(), f"{name_of(path)} shows {kind}.yaml twice"
            (folder / f"{kind}.yaml").write_text(body, encoding="utf-8")
    audience, problems = load_audience(folder)
    assert [str(problem) for problem in problems] == []
    return audience


@pytest.mark.parametrize("path", WITH_JOURNEYS, ids=name_of)
def test_journeys_in_documents_compile_and_their_stories_pass(path: Path, tmp_path: Path) -> None:
    """A story is of the journey last shown above it."""
    audience, plan = audience_of(path, tmp_path), None
    text = path.read_text(encoding="utf-8")
    for kind, body in re.findall(r"^```yaml (journey|story)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        if kind == "journey":
            loaded = load_journey(body, path.name)
            assert loaded.plan is not None, [str(problem) for problem in loaded.problems]
            assert [str(problem) for problem in loaded.problems] == []
            plan = loaded.plan
            continue
        assert plan is not None, f"{name_of(path)} shows a story before its journey"
        report = run_stories(plan, audience, body, path.name)
        assert report.passed, render(report)


def test_readmes_and_tutorial_show_a_journey() -> None:
    for name in ("README.md", "README.zh-CN.md", "docs/tutorial.md"):
        assert fences(ROOT / name, "journey"), f"{name} shows no journey"
    assert fences(ROOT / "docs" / "tutorial.md", "story")


def test_the_journey_of_the_readme_is_short_enough_to_read_at_once() -> None:
    assert all(body.count("\n") <= 12 for body in fences(ROOT / "README.md", "journey"))


def test_the_two_readmes_show_the_same_commands() -> None:
    english, chinese = (
        re.findall(r"^(?:journeyd|make|curl|uv)[^#\n]*", "\n".join(fenced(ROOT / name)), re.MULTILINE)
        for name in ("README.md", "README.zh-CN.md")
    )
    assert [line.strip() for line in english] == [line.replace("--lang zh ", "").strip() for line in chinese]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_documents_name_no_machine_of_ours(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for word in ("/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/t" + "mp/"):
        assert word not in text, f"{name_of(path)} names {word}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_documents_claim_no_figures_of_speed(path: Path) -> None:
    claims = re.findall(r"\d[\d,]*\s*(?:events|messages|timers)(?:/s| (?:a|per) second)", prose(path))
    assert claims == [], f"{name_of(path)}: figures stand in benchmarks/README.md alone, where a command printed them"


def test_every_how_to_and_decision_can_be_reached() -> None:
    linked = {
        (path.parent / link.partition("#")[0]).resolve() for path in DOCUMENTS for link in LINK.findall(prose(path))
    }
    for path in (ROOT / "docs").rglob("*.md"):
        assert path in linked or path.name == "README.md", f"nothing links to {name_of(path)}"
