"""What sends give their templates, and what the templates ask for.

Called by `check.py`, for each journey and for all.
"""

from collections.abc import Iterator, Mapping

from engine.core.errors import Place
from engine.core.plan import Coupon, Plan, Send, Task
from journeys.flow import ways_on
from journeys.lint.known import Known
from journeys.lint.liquid import SUPPLIED, Use, Wording, read_wording
from journeys.lint.scene import Scene
from journeys.problems import Problem


def check_variables(scene: Scene) -> Iterator[Problem]:
    """Yield what a template asks for and its send does not give, and what a send gives and no template asks for."""
    after = _after_coupon(scene.plan)
    for node in scene.plan.nodes:
        if not isinstance(node, Send) or node.template not in scene.known.texts:
            continue
        texts = scene.known.texts[node.template]
        given = {*SUPPLIED, *node.variables, "coupon"}
        for root, (text, use) in _wanted(texts, given).items():
            data = {"template": node.template, "name": root, "path": use.path, "where": _where(text, use)}
            yield Problem("J114", scene.in_step(node.id, "send"), data)
        yield from _of_coupon(scene, node, texts, after)
        if texts:
            used = {use.root for text in texts for use in text.uses}
            for name in node.variables:
                if name not in used:
                    data = {"template": node.template, "name": name}
                    yield Problem("J115", scene.key_in_step(node.id, "with", name), data)


def check_tasks(scene: Scene) -> Iterator[Problem]:
    """Yield what the title and the note of a task ask for that nobody supplies."""
    given = {*SUPPLIED, "coupon", "due"}
    for node in scene.plan.nodes:
        if not isinstance(node, Task):
            continue
        for key, text in (("title", node.title), ("note", node.note)):
            for use in _wanted((read_wording(text, key),), given).values():
                data = {"path": use[1].path, "known": ", ".join(sorted(given))}
                yield Problem("J112", scene.in_step(node.id, "task", key), data)


def _of_coupon(scene: Scene, node: Send, texts: tuple[Wording, ...], after: Mapping[str, bool]) -> Iterator[Problem]:
    found = _wanted(texts, {*SUPPLIED, *node.variables, *_others(texts)}).get("coupon")
    if found is not None and not after.get(node.id, False):
        text, use = found
        data = {"template": node.template, "where": _where(text, use)}
        yield Problem("J116", scene.in_step(node.id, "send"), data)


def _others(texts: tuple[Wording, ...]) -> set[str]:
    return {use.root for text in texts for use in text.uses} - {"coupon"}


def _wanted(texts: tuple[Wording, ...], given: set[str]) -> dict[str, tuple[Wording, Use]]:
    """Return the names that are asked for without being given, each with its first use."""
    found: dict[str, tuple[Wording, Use]] = {}
    for text in texts:
        for use in text.uses:
            if use.root not in given and not use.is_optional:
                found.setdefault(use.root, (text, use))
    return found


def _where(text: Wording, use: Use) -> str:
    folder, _, file = text.file.replace("\\", "/").rpartition("/")
    return f"{folder.rpartition('/')[2]}/{file}:{use.line}"


def _after_coupon(plan: Plan) -> dict[str, bool]:
    """Say of each step whether some way to it passes a coupon step."""
    found: dict[str, bool] = {}
    ahead = [(plan.nodes[0].id, False)]
    while ahead:
        id_, has = ahead.pop()
        node = plan.steps.get(id_)
        if node is None or found.get(id_, False) or (id_ in found and not has):
            continue
        found[id_] = has
        if isinstance(node, Coupon):
            ahead.append((node.next, True))
            if node.otherwise is not None:
                ahead.append((node.otherwise, has))
        else:
            ahead += [(way, has) for way in ways_on(node)]
    return found


def check_languages(known: Known) -> Iterator[Problem]:
    """Yield the templates that speak one language where all others speak two."""
    speaks = {name: frozenset[str]().union(*(text.languages for text in texts)) for name, texts in known.texts.items()}
    for name, languages in speaks.items():
        others = [spoken for other, spoken in speaks.items() if other != name and spoken]
        if len(languages) == 1 and len(others) >= 2 and all(len(spoken) == 2 for spoken in others):
            lacking = next(one for one in ("en", "zh") if one not in languages)
            place = Place(known.texts[name][0].file, 1, 1)
            yield Problem("J117", place, {"name": name, "kind": lacking})
