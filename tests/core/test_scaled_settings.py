"""Settings of the database and the broker: what is refused, and that no password is ever shown."""

from pathlib import Path

import pytest

from config.settings import load_settings
from engine.core.errors import BadSetting

SECRET = "postgresql://engine:hush-hush@db.internal:5432/journeyd"


def workspace(root: Path, text: str) -> Path:
    (root / "journeyd.yaml").write_text(text, encoding="utf-8")
    return root


def complaint(root: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(BadSetting) as caught:
        load_settings(workspace(root, text), environ or {})
    assert "hush-hush" not in str(caught.value)
    return str(caught.value)


def test_without_a_database_everything_is_sqlite_in_one_process(tmp_path: Path) -> None:
    settings = load_settings(workspace(tmp_path, ""), {})
    assert not settings.store.url.is_set
    assert settings.stream.brokers == ()


def test_an_address_by_reference_is_read_and_never_printed(tmp_path: Path) -> None:
    settings = load_settings(workspace(tmp_path, "store:\n  url: env:DATABASE\n"), {"DATABASE": SECRET})
    assert settings.store.url.reveal() == SECRET
    assert settings.store.url.place == "db.internal:5432/journeyd"
    assert "hush-hush" not in repr(settings) + str(settings.store.url)


def test_the_environment_may_name_the_whole_address_and_it_is_not_printed_either(tmp_path: Path) -> None:
    settings = load_settings(workspace(tmp_path, ""), {"JOURNEYD_STORE__URL": SECRET})
    assert settings.store.url.reveal() == SECRET
    assert "hush-hush" not in repr(settings)
    assert "db.internal:5432/journeyd" in repr(settings)


def test_a_password_in_the_file_is_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, f"store:\n  url: {SECRET}\n")
    assert said == (
        "journeyd.yaml:2:3: store.url: holds a password; write env:NAME or file:path and keep the address there"
    )


def test_another_database_is_refused_wherever_it_is_named(tmp_path: Path) -> None:
    assert "is no address of a database" in complaint(tmp_path, "store:\n  url: mysql://h/db\n")
    said = complaint(tmp_path, "store:\n  url: env:DATABASE\n", {"DATABASE": "hush-hush"})
    assert "env:DATABASE holds no address of a database" in said


def test_brokers_without_postgresql_are_refused(tmp_path: Path) -> None:
    said = complaint(tmp_path, "stream:\n  brokers: [kafka:9092]\n")
    assert "brokers are named and no database: set store.url to postgresql://" in said


def test_brokers_may_be_said_with_commas_between_them_in_the_environment(tmp_path: Path) -> None:
    environ = {"JOURNEYD_STREAM__BROKERS": "a.internal:9092, b.internal:9093", "JOURNEYD_STORE__URL": SECRET}
    assert load_settings(workspace(tmp_path, ""), environ).stream.brokers == ("a.internal:9092", "b.internal:9093")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("brokers: [kafka]", "names no host and port"),
        ("partitions: 0", "greater than or equal to 1"),
        ("max_message: 10", "greater than or equal to 10000"),
        ("security: {protocol: SASL_SSL}", "names nobody who logs in"),
        ("security: {password: hush-hush}", "is a literal secret"),
        ("broker: [kafka:9092]", "did you mean `brokers`?"),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(tmp_path: Path, text: str, says: str) -> None:
    assert says in complaint(tmp_path, f"stream:\n  {text}\n")
