"""Settings: what is refused, how it is said, and that `default.yaml` is fresh."""

from pathlib import Path

import pytest

from config.defaults import PATH, render
from config.settings import Settings, load_settings
from engine.core.errors import BadSetting
from engine.core.ids import MINUTE, SECOND

EMAIL = "email:\n  host: smtp.brand.example\n  from: news@brand.example\n"


def workspace(root: Path, text: str) -> Path:
    (root / "journeyd.yaml").write_text(text, encoding="utf-8")
    return root


def complaint(root: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(BadSetting) as caught:
        load_settings(workspace(root, text), environ or {})
    return str(caught.value)


def test_an_empty_workspace_has_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    assert settings == Settings()
    assert settings.delivery.lease == 2 * MINUTE
    assert settings.email is None


def test_the_reference_of_settings_is_fresh_and_says_the_defaults(tmp_path: Path) -> None:
    assert PATH.read_text(encoding="utf-8") == render(), "run: python -m config.defaults"
    assert load_settings(workspace(tmp_path, render()), {}) == Settings()


def test_every_off_section_of_the_reference_becomes_valid_when_switched_on(tmp_path: Path) -> None:
    text = "\n".join(
        line.replace("#- ", "", 1).replace("(required)", "env:A_VALUE")
        for line in render().splitlines()
        if not line.startswith("#-     ") or "write_keys" not in line
    )
    for keys in ("write_keys", "read_keys"):
        text = text.replace(f"{keys}: []", f"{keys}:\n  -")
    text = text.replace("uncertain: {}", "uncertain:\n    email:")
    settings = load_settings(workspace(tmp_path, text), {"A_VALUE": "x"})
    assert settings.email is not None
    assert settings.email.dkim is not None
    assert settings.write_keys[0].key.reveal() == settings.read_keys[0].key.reveal() == "x"
    assert settings.delivery.uncertain["email"].policy == "hold"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    root = workspace(tmp_path, EMAIL + "  port: 25\n")
    settings = load_settings(root, {"JOURNEYD_EMAIL__PORT": "2525", "JOURNEYD_DELIVERY__LEASE": "90s", "PATH": "/"})
    assert settings.email is not None
    assert (settings.email.host, settings.email.port) == ("smtp.brand.example", 2525)
    assert settings.delivery.lease == 90 * SECOND


def test_an_unknown_key_names_its_place_and_the_nearest_known_key(tmp_path: Path) -> None:
    assert complaint(tmp_path, EMAIL + "  prot: 25\n") == (
        "journeyd.yaml:4:3: unknown key `email.prot`; did you mean `port`?"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("JOURNEYD_EMIAL__HOST", "environment JOURNEYD_EMIAL__HOST: unknown section `emial`; did you mean `email`?"),
        ("JOURNEYD_SERVER__PROT", "environment JOURNEYD_SERVER__PROT: unknown key `server.prot`; did you mean `port`?"),
    ],
)
def test_an_unknown_override_is_refused(tmp_path: Path, name: str, said: str) -> None:
    assert said in complaint(tmp_path, "", {name: "x"})


def test_variables_that_kubernetes_makes_are_left_alone(tmp_path: Path) -> None:
    environ = {"JOURNEYD_PORT": "tcp://10.0.0.1:8025", "JOURNEYD_SERVICE_HOST": "10.0.0.1"}
    assert load_settings(tmp_path, environ) == Settings()


def test_a_wrong_type_names_its_place_and_does_not_show_the_value(tmp_path: Path) -> None:
    said = complaint(tmp_path, EMAIL + "  port: hunter2\n")
    assert said.startswith("journeyd.yaml:4:3: email.port: ")
    assert "hunter2" not in said


def test_a_literal_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    said = complaint(tmp_path, EMAIL + "  password: hunter2\n")
    assert said.startswith("journeyd.yaml:4:3: email.password: is a literal secret; write env:NAME or file:path")
    assert "hunter2" not in said


def test_a_secret_is_read_late_and_never_printed(tmp_path: Path) -> None:
    settings = load_settings(workspace(tmp_path, EMAIL + "  password: env:RELAY\n"), {"RELAY": "hunter2"})
    assert settings.email is not None
    assert settings.email.password is not None
    assert settings.email.password.reveal() == "hunter2"
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.email.password}"):
        assert "hunter2" not in shown


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "relay").write_text("hunter2\n")
    (tmp_path / "relay").chmod(0o644)
    said = complaint(tmp_path, EMAIL + "  password: file:relay\n")
    assert said == (
        "journeyd.yaml:4:3: email.password: file:relay can be read by others (mode 0644); run: chmod 600 relay"
    )
    (tmp_path / "relay").chmod(0o600)
    settings = load_settings(tmp_path, {})
    assert settings.email is not None
    assert settings.email.password is not None
    assert settings.email.password.reveal() == "hunter2"


@pytest.mark.parametrize(("reference", "said"), [("env:NOPE", "no variable NOPE"), ("file:nope", "does not exist")])
def test_a_secret_that_is_not_there_says_what_to_do(tmp_path: Path, reference: str, said: str) -> None:
    assert said in complaint(tmp_path, EMAIL + f"  password: {reference}\n")


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    assert "env:RELAY is empty" in complaint(tmp_path, EMAIL + "  password: env:RELAY\n", {"RELAY": ""})


@pytest.mark.parametrize("said", ["30", "soon", "-5s", "1.5.s", "0s", "true"])
def test_a_duration_without_a_unit_is_refused(tmp_path: Path, said: str) -> None:
    assert "journeyd.yaml:2:3: delivery.lease: " in complaint(tmp_path, f"delivery:\n  lease: {said}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email: [", "journeyd.yaml:1"),
        ("data: a\ndata: b\n", "journeyd.yaml:2:1"),
        ("data: &a x\nbrand: *a\n", "anchors and aliases are refused"),
        ("- a\n", "is no mapping"),
        ("x: " + "[" * 40 + "]" * 40, "nested too deeply"),
        ("data: \x00\n", "journeyd.yaml"),
        ("default_zone: Asia/Shangai\n", "journeyd.yaml:1:1: default_zone: is no time zone; write Asia/Shanghai"),
        ("server: {port: 99999}\n", "journeyd.yaml:1:10: server.port: "),
        ("server: 5\n", "journeyd.yaml:1:1: server: "),
        ("write_keys: [{name: web}]\n", "`write_keys.0.key` is missing"),
        ("5: x\n", "unknown key `5`"),
    ],
)
def test_a_file_that_is_wrong_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    assert said in complaint(tmp_path, text)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journeyd.yaml").write_bytes(b"brand: \xff\xfe\n")
    with pytest.raises(BadSetting, match="not UTF-8"):
        load_settings(tmp_path, {})


def test_all_complaints_come_at_once(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, "brnad: x\ndelivery: {lease: 5}\n").splitlines()) == 2
