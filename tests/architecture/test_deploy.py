"""What is shipped to run journeyd fits the journeyd that is shipped: commands, settings, ports, secrets, metrics, pins.

Nothing is started here: no Docker, no cluster. The files are read and held against the code.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from config.settings import Settings, load_settings
from docs.generate import keys
from engine.cli.main import app
from engine.telemetry import METRICS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose" / "docker-compose.yaml"
KUBERNETES = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
KUBERNETES_SETTINGS = DEPLOY / "kubernetes" / "base" / "settings.yaml"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DOCKERFILES = [ROOT / "Dockerfile", *sorted(DEPLOY.rglob("*Dockerfile"))]
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
LEAVING = 10
"""Seconds that hand-overs in flight may take after SIGTERM: docs/operations.md."""

ROLES = ("serve", "worker", "dispatcher")
PINNED = re.compile(r"^[a-z0-9./-]+:(?:\d+\.\d+[\w.-]*|[\w.-]+@sha256:[0-9a-f]{64})$")


def documents(path: Path) -> list[dict[str, Any]]:
    return [found for found in YAML(typ="safe").load_all(path.read_text(encoding="utf-8")) if found]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def compose() -> dict[str, Any]:
    return documents(COMPOSE)[0]


def ours() -> dict[str, dict[str, Any]]:
    """Return the services that run journeyd, by name."""
    return {name: one for name, one in compose()["services"].items() if str(one["image"]).startswith("journeyd:")}


def objects(kind: str) -> Iterator[dict[str, Any]]:
    for path in KUBERNETES:
        yield from (one for one in documents(path) if one.get("kind") == kind)


def pods() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield every workload's name, its pod's spec and the one container in it."""
    for kind in ("Deployment", "Job"):
        for one in objects(kind):
            spec = one["spec"]["template"]["spec"]
            for container in spec["containers"]:
                yield f"{kind} {one['metadata']['name']}", spec, container


# --- the command line


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words after `journeyd` name and the words left; asserts that it exists."""
    here: Any = get_command(app)
    words = [word for word in words if word]
    while hasattr(here, "commands"):
        while words and words[0].startswith("-"):
            words = words[2:] if words[0] in {"-w", "--workspace", "--lang"} else words[1:]
        assert words, f"{here.name} needs a command"
        assert words[0] in here.commands, f"journeyd has no command `{words[0]}`; known are {sorted(here.commands)}"
        here, words = here.commands[words[0]], words[1:]
    return here, words


def complaint(words: list[str]) -> str:
    """Return what is wrong with the words after `journeyd`, "" when they name a command and its options."""
    try:
        command, rest = resolve(words)
    except AssertionError as problem:
        return str(problem)
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    known |= {"-w", "--workspace", "--lang", "--help"}
    said = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    return f"`{command.name}` has no {', '.join(sorted(said - known))}" if said - known else ""


def test_every_role_of_the_compose_file_is_a_command() -> None:
    wrong = {name: complaint(one["command"]) for name, one in ours().items()}
    assert {name: said for name, said in wrong.items() if said} == {}
    assert {one["command"][0] for one in ours().values()} >= {*ROLES}


def test_every_role_of_the_manifests_is_a_command() -> None:
    wrong = {name: complaint(container["args"]) for name, _, container in pods()}
    assert {name: said for name, said in wrong.items() if said} == {}
    assert {container["args"][0] for _, _, container in pods()} >= {*ROLES}


def shown(path: Path) -> Iterator[str]:
    """Yield the lines of a page that run journeyd, `docker compose run --rm tools` and `kubectl exec` included."""
    for fence in re.findall(r"^ *```(?:sh|console|)\n(.*?)^ *```", path.read_text(encoding="utf-8"), re.DOTALL | re.M):
        for line in re.sub(r"\\\n\s*", " ", fence).splitlines():
            found = re.search(r"(?:^ *(?:\$ )?|-- |tools )journeyd (.+)|run --rm tools (.+)", line)
            if found:
                yield (found[1] or found[2]).partition("  #")[0].partition(" | ")[0].partition(" > ")[0].rstrip(" &")


@pytest.mark.parametrize("path", [*RUNBOOKS, DEPLOY / "compose" / "README.md"], ids=name_of)
def test_every_command_of_a_runbook_exists_with_its_options(path: Path) -> None:
    wrong = {line: complaint(shlex.split(line)) for line in shown(path)}
    assert {line: said for line, said in wrong.items() if said} == {}


# --- settings


def variables(environment: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in environment.items()}


def settings_of(environment: dict[str, str], folder: Path) -> Settings:
    """Return what the settings make of these variables; each secret that they name is there."""
    (folder / "journeyd.yaml").write_text("brand: Shop\n", encoding="utf-8")
    given = dict(environment)
    for name, value in environment.items():
        for kind, secret in re.findall(r"\b(env|file):([\w./-]+)", value):
            said = "postgresql://shop@db:5432/shop" if "url" in secret.lower() else "a secret of some length"
            if kind == "env":
                given[secret] = said
            else:
                file = folder / Path(secret).name
                file.write_text(said, encoding="utf-8")
                file.chmod(0o600)
                given[name] = given[name].replace(secret, str(file))
    return load_settings(folder, given)


def told(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables with the places that the shell fills as empty."""
    return {name: re.sub(r"\$\{[^}]*\}", "", value) for name, value in environment.items()}


def test_the_compose_file_sets_what_can_be_set(tmp_path: Path) -> None:
    for name, one in ours().items():
        settings = settings_of(told(variables(one["environment"])), tmp_path)
        assert settings.store.url.is_set and settings.stream.brokers, f"{name} would run on SQLite"
        assert settings.signing_key is not None, f"{name} would sign with a key of its own"
        assert settings.webhook.secret is not None, f"{name} would sign webhooks with a key of its own"
        assert not settings.publish.on_start, f"{name} would publish whatever folder it finds"


@pytest.mark.parametrize("overlay", [False, True])
def test_the_manifests_set_what_can_be_set(tmp_path: Path, overlay: bool) -> None:
    given: dict[str, str] = {}
    for path in (DEPLOY / "kubernetes" / "base", DEPLOY / "kubernetes" / "overlays" / "production")[: 1 + overlay]:
        given |= variables(documents(path / "settings.yaml")[0]["data"])
    settings = settings_of(given, tmp_path)
    assert settings.store.url.is_set and settings.stream.brokers
    assert settings.signing_key is not None and settings.webhook.secret is not None
    assert not settings.publish.on_start


def test_every_setting_that_a_runbook_names_exists() -> None:
    known = {key for key, _ in keys()}
    sections = {key.partition(".")[0] for key in known if "." in key}
    for path in RUNBOOKS:
        said = set(re.findall(r"`([a-z_]+\.[a-z_]+(?:\.[a-z_]+)*)`", path.read_text(encoding="utf-8")))
        said = {one for one in said if one.partition(".")[0] in sections}
        assert said - known == set(), f"{name_of(path)} names settings that nobody reads"


# --- ports and probes


def routes() -> set[str]:
    found = set()
    for path in (ROOT / "engine" / "http").glob("*.py"):
        found |= set(re.findall(r'Route\("([^"]+)"', path.read_text(encoding="utf-8")))
    return found


def answers_at(words: list[str], port: str) -> bool:
    """Say whether a role started so answers for its health there: `serve` does at server.port, others where told."""
    return words[0] == "serve" or f"--port {port} " in " ".join([*words, ""])


def test_the_compose_file_asks_after_health_where_it_is_answered() -> None:
    for name, one in ours().items():
        if one["healthcheck"].get("disable"):
            continue
        asked = urlsplit(re.findall(r"'(http://[^']+)'", one["healthcheck"]["test"][-1])[0])
        assert asked.path in routes(), f"{name} asks {asked.path}"
        assert str(asked.port) == one["environment"]["JOURNEYD_SERVER__PORT"], name
        assert answers_at(one["command"], str(asked.port)), name


def test_the_manifests_probe_where_it_is_answered() -> None:
    port = documents(KUBERNETES_SETTINGS)[0]["data"]["JOURNEYD_SERVER__PORT"]
    for one in objects("Deployment"):
        [container] = one["spec"]["template"]["spec"]["containers"]
        assert [str(each["containerPort"]) for each in container["ports"]] == [port]
        for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
            assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}
            assert path in routes()
        assert answers_at(container["args"], port)
        notes = one["spec"]["template"]["metadata"]["annotations"]
        assert notes["prometheus.io/port"] == port
        assert notes["prometheus.io/path"] in routes()
    assert f"EXPOSE {port}" in DOCKERFILES[0].read_text(encoding="utf-8")


def test_nobody_is_killed_while_hand_overs_are_in_flight() -> None:
    assert "up to ten seconds" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, one in ours().items():
        assert int(str(one["stop_grace_period"]).removesuffix("s")) >= 2 * LEAVING, name
    for one in objects("Deployment"):
        assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 2 * LEAVING


# --- one topic, everywhere the same


def test_everybody_agrees_on_the_topic_and_its_partitions() -> None:
    data = documents(KUBERNETES_SETTINGS)[0]["data"]
    partitions, topic = int(data["JOURNEYD_STREAM__PARTITIONS"]), data["JOURNEYD_STREAM__TOPIC"]
    for one in ours().values():
        assert one["environment"]["JOURNEYD_STREAM__PARTITIONS"] == str(partitions)
        assert one["environment"]["JOURNEYD_STREAM__TOPIC"] == topic
    made = compose()["services"]["topics"]["command"][0]
    assert f"--topic {topic} --partitions {partitions} " in made
    assert f"--topic {data['JOURNEYD_STREAM__DEAD_TOPIC']} " in made
    [scaled] = objects("ScaledObject")
    assert scaled["spec"]["maxReplicaCount"] <= partitions
    [trigger] = scaled["spec"]["triggers"]
    assert trigger["metadata"]["topic"] == topic
    assert trigger["metadata"]["consumerGroup"] == data["JOURNEYD_STREAM__GROUP"]


# --- secrets


def test_every_secret_of_the_compose_file_is_made_by_its_script_and_none_has_a_default() -> None:
    script = (DEPLOY / "compose" / "secrets.sh").read_text(encoding="utf-8")
    made = set(re.findall(r"^keep (\w+)", script, re.MULTILINE))
    assert {*compose()["secrets"]} == made
    assert {secret for one in compose()["services"].values() for secret in one.get("secrets", ())} == made
    said = re.sub(r"#.*", "", COMPOSE.read_text(encoding="utf-8"))
    assert re.findall(r"(?i)(?:password|secret|key)\w*: (?!file:|/run/secrets/|\[|\{)['\"]?\w{4,}", said) == []
    assert "secrets/" in (DEPLOY / "compose" / ".gitignore").read_text(encoding="utf-8")


def test_every_secret_of_the_manifests_is_named_and_none_is_there() -> None:
    assert list(objects("Secret")) == []
    text = KUBERNETES_SETTINGS.read_text(encoding="utf-8")
    named = set(re.findall(r"--from-file=([\w-]+)", text))
    asked = set(re.findall(r"env:(\w+)", " ".join(variables(documents(KUBERNETES_SETTINGS)[0]["data"]).values())))
    for name, _, container in pods():
        given = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"]}
        assert set(given) == asked, name
        assert {ref["key"] for ref in given.values()} == named, name


# --- what runs


def test_images_are_pinned() -> None:
    images = [str(one["image"]) for one in compose()["services"].values()]
    images += [str(container["image"]) for _, _, container in pods()]
    images += re.findall(r"^FROM (\S+)", "\n".join(path.read_text(encoding="utf-8") for path in DOCKERFILES), re.M)
    assert [image for image in images if not PINNED.match(image)] == []
    tags = {tag for image in images for name, _, tag in [image.partition(":")] if name == "journeyd"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tags == {project["version"]}


def test_the_image_is_built_from_the_lock_with_extras_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installs = re.findall(r"^RUN uv sync (.+)$", text, re.MULTILINE)
    assert installs and all("--frozen" in one and "--no-default-groups" in one for one in installs)
    said = {extra for one in installs for extra in re.findall(r"--extra (\w+)", one)}
    assert {"kafka", "postgres", "rules"} <= said <= {*extras}
    assert re.search(r"uv==\d", text)
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]


def test_nothing_of_ours_runs_as_root_or_writes_to_its_own_disk() -> None:
    for name, one in ours().items():
        assert one["read_only"] and one["cap_drop"] == ["ALL"] and one["user"] != "root", name
    for name, pod, container in pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert set(container["resources"]) == {"requests", "limits"}, name


def test_everything_that_runs_for_long_comes_back_and_is_asked_how_it_is() -> None:
    for name, one in compose()["services"].items():
        if "profiles" in one or name == "topics":
            continue
        assert one["restart"] == "unless-stopped" and "healthcheck" in one and "stop_grace_period" in one, name


def test_every_kustomization_names_files_that_exist_and_every_manifest_is_named() -> None:
    named = set()
    for path in (one for one in KUBERNETES if one.name == "kustomization.yaml"):
        [found] = documents(path)
        parts = [*found.get("resources", ()), *found.get("components", ())]
        parts += [one["path"] for one in found.get("patches", ()) if "path" in one]
        for part in parts:
            target = (path.parent / part).resolve()
            assert target.exists(), f"{name_of(path)}: {part}"
            named.add(target / "kustomization.yaml" if target.is_dir() else target)
    roots = {DEPLOY / "kubernetes" / "overlays" / "production" / "kustomization.yaml"}
    assert {*KUBERNETES} - named == roots


# --- alerts


def rules() -> list[dict[str, Any]]:
    [found] = documents(ALERTS)
    return [rule for group in found["groups"] for rule in group["rules"]]


def test_alerts_ask_for_metrics_that_exist_with_labels_that_they_have() -> None:
    known = {metric.name: {*metric.labels} for metric in METRICS}
    given = {"job", "instance", "le", "namespace", "pod"}
    for rule in rules():
        for name, braces in re.findall(r"\b(journeyd_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            metric = re.sub(r"_(bucket|count|sum)$", "", name)
            assert metric in known, f"{rule['alert']} asks for {name}"
            labels = set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", braces))
            assert labels <= known[metric] | given, f"{rule['alert']}: {name} has no {labels - known[metric]}"


def test_every_alert_says_what_it_means_and_which_page_helps() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules())
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        target = ROOT / page
        assert target.is_file(), f"{rule['alert']}: {page} is nowhere"
        titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, f"{rule['alert']}: {page} has no #{anchor}"


def test_every_alert_is_on_the_page_for_the_night() -> None:
    page = (ROOT / "docs" / "runbooks" / "README.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in page] == []
