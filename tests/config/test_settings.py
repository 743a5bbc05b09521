"""The settings: read once, every mistake told at once, secrets kept to themselves."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.config import VARIABLES, Secret, Settings, SettingsError
from tests.support.wrong_settings import KEY, LOG_KEY, POSTGRES, problems

# A value that is wrong, for each variable.
WRONG = {
    "REGISTRY_DATABASE_URL": ["mysql://u:hunter2@h/d", "postgres://h/d", "registry.db", "sqlite:///relative.db", "sqlite://",
                              "sqlite:////a?b", "://", *(f"postgresql://h/d?{option}" for option in (
                                  "prepare_threshold=0", "password=hunter2", "sslmod=require", "client_encoding=latin1",
                                  "sslmode=require&sslmode=disable"))],
    "REGISTRY_DATABASE_POOL_SIZE": ["0", "-1", "201", "x", "1.5", "9" * 5000, "1e3"],
    "REGISTRY_STORAGE_URL": ["/a", "file://host/a", "file:a", "s3://", "s3:///a", "s3://b?x=1", "s3://b#x", "s3://[", "gs://b",
                             "s3://key:hunter2@bucket", "file:///a?b", "file:///a#b", "http://b"],
    "REGISTRY_S3_ENDPOINT_URL": ["minio:9000", "ftp://h", "http://", "http://u:hunter2@h", "http://:hunter2@h", "http://h:99999",
                                 "http://h:x", "http://h:0", "http://[", "http://h?x", "http://h#x", "//h"],
    "REGISTRY_S3_PUBLIC_ENDPOINT_URL": ["h", "http://hunter2@h"],
    "REGISTRY_S3_PATH_STYLE": ["maybe", "2"],
    "REGISTRY_S3_CHECKSUM_MODE": ["never", "WHEN_REQUIRED"],
    "REGISTRY_SECRET_KEY": ["hunter2", "a" * 31],
    "REGISTRY_SECRET_KEY_PREVIOUS": ["hunter2", f"{KEY.replace(' ', '-')} hunter2"],
    "REGISTRY_LOG_KEY": ["hunter2", "0" * 64, LOG_KEY[1:], f"{LOG_KEY}0", "aHVudGVyMg==", "*" * 43 + "=", "\u0660" * 64,
                         f"{LOG_KEY} {LOG_KEY}"],
    "REGISTRY_LOG_KEY_PREVIOUS": ["hunter2", f"{LOG_KEY} hunter2"],
    "REGISTRY_PUBLIC_URL": ["models.test", "https://u:hunter2@models.test", "javascript:alert(1)", "http://h:70000"],
    "REGISTRY_ALLOWED_HOSTS": ["https://models.test", "models.test:443", "a b", "a,b/c", "*", "caf\u00e9.test",
                               "[::1]:80"],
    "REGISTRY_TRUSTED_PROXIES": ["-1", "11", "yes"],
    "REGISTRY_LOGIN_FAILURES_PER_ADDRESS": ["-1", "1000001", "x"],
    "REGISTRY_LOGIN_FAILURES_PER_TOKEN": ["-1", "1000001", "x"],
    "REGISTRY_LOGIN_FAILURES_PERIOD": ["0", "86401", "x"],
    "REGISTRY_TOKEN_CACHE_SECONDS": ["-1", "301", "x", "1.5"],
    "REGISTRY_DEFAULT_LIFECYCLE": ["closed", "Open"],
    "REGISTRY_PROTECTED_ALIASES": ["latest", "champion,7", "champion stable"],
    "REGISTRY_MAX_BODY_BYTES": ["1023", "1MB", str(2**40)],
    "REGISTRY_MAX_MANIFEST_BYTES": ["0", str(2**40)],
    "REGISTRY_MAX_UPLOAD_BYTES": ["0", str(5 * 1024**4 + 1)],
    "REGISTRY_SINGLE_PUT_BYTES": ["0", str(5 * 1024**2 - 1), str(1024**3 + 1), "64MiB"],
    "REGISTRY_PART_BYTES": ["0", str(5 * 1024**2 - 1), str(1024**3 + 1)],
    "REGISTRY_PAGE_CACHE_BYTES": ["-1", "32 MiB", str(2**40)],
    "REGISTRY_INLINE_BYTES": ["-1", str(1024**2 + 1)],
    "REGISTRY_INLINE_VERIFY_BYTES": ["-1", str(1024**3 + 1)],
    "REGISTRY_METRICS_TOKEN": ["hunter2", "hunter2 with a space in it", "hunter2hunter2hunter2\u00e9"],
    "REGISTRY_METRICS_CACHE_SECONDS": ["-1", "61", "x", "0.5"],
    "REGISTRY_GC_GRACE": ["-1", "1d"],
    "REGISTRY_GC_INTERVAL": ["59"],
    "REGISTRY_PURGE_RETENTION": ["-1"],
    "REGISTRY_SCRUB_INTERVAL": ["59"],
    "REGISTRY_IMPORT_SOURCES": ["/srv/models", "file:///srv", "http://host/a", "s3://", "https://", "https://u:hunter2@host/a",
                                "s3://bucket/a/../b", "s3://bucket/%2e%2e/b", "https://host/a?b=c", "https://host/a#b",
                                "s3://bucket/a,ftp://host", "*", "s3://b", "https://host:0/a"],
    "REGISTRY_ALLOW_SECRETS": ["maybe", "2"],
    "REGISTRY_MLFLOW_DOWNLOADS": ["s3", "Registry"],
    "REGISTRY_MLFLOW_TRACKING": [
        "https://mlflow.test", "{", "{}", "1", "null", "[[]]", '"https://mlflow.test"', "[" * 100_000,
        '{"url": "mlflow.test"}', '{"url": 1}', '{"url": "https://u:hunter2@mlflow.test"}', '{"url": "file:///srv/mlruns"}',
        '{"url": "sqlite:///mlflow.db"}', '{"url": "https://a.test", "pasword": "hunter2"}',
        '{"url": "https://a.test", "token": "hunter2", "username": "u", "password": "hunter2"}',
        '{"url": "https://a.test", "username": "u"}', '{"url": "https://a.test", "password": "hunter2"}',
        '{"url": "https://a.test", "username": "u:v", "password": "hunter2"}', '{"url": "https://a.test", "token": ""}',
        '{"url": "https://a.test", "token": 5}', '{"url": "https://a.test", "token": "hunter2\\nX-Evil: 1"}',
        '{"url": "https://a.test", "token": "hunter2\u00e9"}', '{"url": "https://a.test", "artifact_roots": "s3://b"}',
        '{"url": "https://a.test", "artifact_roots": ["/srv"]}',
        '{"url": "https://a.test", "artifact_roots": ["https://b.test/a"]}',
        '{"url": "https://a.test", "artifact_roots": ["s3://bucket/a/../b"]}',
        '[{"url": "https://a.test"}, {"url": "https://a.test/"}]',
    ],
    "REGISTRY_OPEN_UPLOADS": ["0", "1000001"],
    "REGISTRY_OPEN_UPLOAD_BYTES": ["0", "50 TiB"],
    "REGISTRY_UPLOAD_EXPIRY": ["0", "604801", "1h"],
    "REGISTRY_URL_EXPIRY": ["0", "86401"],
    "REGISTRY_PROBE_SECONDS": ["0", "61", "1.5"],
    "REGISTRY_DRAIN_SECONDS": ["-1", "601", "5s"],
    "REGISTRY_HEADER_SECONDS": ["0", "601", "1.5"],
    "REGISTRY_DATABASE_PREPARED": ["maybe", "1"],
    "REGISTRY_DATABASE_REPLICA_URL": ["sqlite:////replica.db", "postgresql://replica/registry"],  # the primary: SQLite
    "REGISTRY_DATABASE_REPLICA_MAX_LAG": ["0", "3601", "1.5"],
    "REGISTRY_DATABASE_REPLICA_MLFLOW": ["maybe", "1.0"],
    "REGISTRY_WEB": ["maybe", "1.0"],
    "REGISTRY_STALL_SECONDS": ["0", "3601"],
    "REGISTRY_TRACING": ["maybe", "true"],  # true: without an endpoint
    "REGISTRY_LOG_FORMAT": ["xml"],
    "REGISTRY_LOG_LEVEL": ["verbose", "INFO"],
    "REGISTRY_BIND": ["5000", ":5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
                      "127.0.0.1:\u00b2", "127.0.0.1:\u0665", "127.0.0.1:" + "9" * 5000],
    "REGISTRY_WORKERS": ["0", "65"],
    "REGISTRY_THREADS": ["0", "257"],
    "REGISTRY_TRANSFERS": ["0", "257"],
}  # fmt: skip
FREE = {"REGISTRY_DATA_DIR", "REGISTRY_S3_REGION"}  # every text will do


def test_nothing_needs_to_be_set(load: Callable[..., Settings], tmp_path: Path) -> None:
    settings = load()

    assert settings.database_url.reveal() == f"sqlite:///{tmp_path}/data/registry.db"
    assert settings.storage_url == f"file://{tmp_path}/data/artifacts"
    assert (settings.bind, settings.workers, settings.log_format) == ("127.0.0.1:5000", 1, "json")
    assert len(settings.secret_key.reveal()) >= 32


@pytest.mark.parametrize(
    ("name", "value"),
    [pytest.param(name, value, id=f"{name}={value[:30]}") for name, values in WRONG.items() for value in values],
)
def test_a_wrong_value_is_reported_with_its_variable(load: Callable[..., Settings], name: str, value: str) -> None:
    variables = {"REGISTRY_SECRET_KEY": KEY} | {name: value}

    found = problems(load, variables)

    assert found.keys() == {name}
    assert len(found[name]) < 6000
    assert not found[name].startswith("Environment variable")


def test_every_variable_is_tried_here() -> None:
    assert WRONG.keys() | FREE == VARIABLES


def test_all_errors_are_reported_at_once(load: Callable[..., Settings]) -> None:
    variables = {name: values[0] for name, values in WRONG.items()} | {"REGISTRY_TYPO": "1", "REGISTRY_BIND_FLIE": "x"}

    found = problems(load, variables)

    assert found.keys() == variables.keys()


def test_no_mistake_shows_a_secret(load: Callable[..., Settings]) -> None:
    wrong = [(name, value) for name, values in WRONG.items() for value in values if "hunter2" in value]
    for name, value in wrong:
        with pytest.raises(SettingsError) as refused:
            load({"REGISTRY_SECRET_KEY": KEY} | {name: value})
        assert "hunter2" not in f"{refused.value} {refused.value!r} {refused.value.problems}", name

    assert len(wrong) >= 6


def test_a_variable_that_is_no_setting_is_refused_but_for_those_of_others(load: Callable[..., Settings]) -> None:
    assert problems(load, {"REGISTRY_DATABSE_URL": "x"}).keys() == {"REGISTRY_DATABSE_URL"}


def test_the_clients_variables_and_those_of_kubernetes_are_let_pass(load: Callable[..., Settings]) -> None:
    others = {"REGISTRY_URL": "https://models.test", "REGISTRY_TOKEN": "mrp_x", "REGISTRY_PORT": "tcp://10.0.0.1:80",
              "REGISTRY_SERVICE_HOST": "10.0.0.1"}  # fmt: skip

    assert load(others) == load({})


def test_a_value_can_come_from_a_file(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "url").write_text(f"  {POSTGRES}\n\n")
    (tmp_path / "workers").write_text("3\n")

    files = {"SECRET_KEY": "key", "DATABASE_URL": "url", "WORKERS": "workers"}
    settings = load({f"REGISTRY_{name}_FILE": str(tmp_path / file) for name, file in files.items()})

    assert settings.secret_key == Secret(KEY)
    assert settings.database_url.reveal() == POSTGRES.replace("postgresql", "postgresql+psycopg", 1)
    assert settings.workers == 3


def test_a_file_that_cannot_be_read_is_a_mistake_of_its_variable(load: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        assert problems(load, {"REGISTRY_SECRET_KEY_FILE": str(path)}).keys() == {"REGISTRY_SECRET_KEY"}


def test_an_empty_variable_is_as_good_as_none(load: Callable[..., Settings]) -> None:
    names = ("DATABASE_URL", "SECRET_KEY", "ALLOWED_HOSTS", "PUBLIC_URL", "BIND")
    settings = load({f"REGISTRY_{name}": "" for name in names})

    assert settings.uses_sqlite
    assert settings.allowed_hosts == ()
    assert settings.public_url is None


def test_tracking_servers_come_as_one_object_or_as_a_list(load: Callable[..., Settings], tmp_path: Path) -> None:
    one = '{"url": "http://mlflow.test:5000/", "token": "t"}'
    other = '{"url": "https://b.test/mlflow", "username": "u", "password": "p", "artifact_roots": ["s3://bucket/a"]}'
    (tmp_path / "tracking.json").write_text(f"[{one}, {other}]\n")

    (alone,) = load({"REGISTRY_MLFLOW_TRACKING": one}).mlflow_tracking
    both = load({"REGISTRY_MLFLOW_TRACKING": "", "REGISTRY_MLFLOW_TRACKING_FILE": str(tmp_path / "tracking.json")})

    assert (alone.url, alone.authorization(), alone.artifact_roots) == ("http://mlflow.test:5000", "Bearer t", ())
    assert both.mlflow_tracking[0] == alone
    assert both.mlflow_tracking[1].authorization() == "Basic dTpw"
    assert both.mlflow_tracking[1].artifact_roots == ("s3://bucket/a",)
    assert "p'" not in repr(both.mlflow_tracking)


def test_hosts_are_compared_in_lower_case(load: Callable[..., Settings]) -> None:
    settings = load({"REGISTRY_ALLOWED_HOSTS": " Models.Test , 10.0.0.7,[::1], model_registry"})

    assert settings.allowed_hosts == ("models.test", "10.0.0.7", "[::1]", "model_registry")


def test_arguments_win_over_variables(load: Callable[..., Settings], tmp_path: Path) -> None:
    settings = load(
        {"REGISTRY_BIND": "0.0.0.0:1", "REGISTRY_DATA_DIR": "/var/none"}, bind="127.0.0.1:2", data_dir=tmp_path
    )

    assert (settings.bind, settings.data_dir) == ("127.0.0.1:2", tmp_path)


@pytest.mark.parametrize(
    "bind", ["0.0.0.0:5000", "10.0.0.7:5000", "[::]:5000", "models.test:5000", "127.0.0.2:5000", "*:5000"]
)
def test_development_mode_refuses_every_address_but_the_loopback(load: Callable[..., Settings], bind: str) -> None:
    assert "loopback" in problems(load, {"REGISTRY_BIND": bind}, dev=True)["REGISTRY_BIND"]
    assert "loopback" in problems(load, {}, dev=True, bind=bind)["REGISTRY_BIND"]


@pytest.mark.parametrize("bind", ["127.0.0.1:5000", "localhost:0", "[::1]:8080", "::1:8080"])
def test_development_mode_takes_the_loopback(load: Callable[..., Settings], bind: str) -> None:
    settings = load(dev=True, bind=bind)

    assert (settings.dev, settings.bind, settings.log_format) == (True, bind, "console")


def test_development_mode_refuses_postgresql(load: Callable[..., Settings]) -> None:
    found = problems(load, {"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY}, dev=True)

    assert found.keys() == {"REGISTRY_DATABASE_URL"}
    assert "--dev" in found["REGISTRY_DATABASE_URL"]


def test_no_variable_turns_the_login_off(load: Callable[..., Settings]) -> None:
    assert problems(load, {"REGISTRY_DEV": "1"}).keys() == {"REGISTRY_DEV"}


def test_a_data_directory_that_cannot_be_is_a_mistake_like_any_other(
    load: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    assert problems(load, {}, data_dir=tmp_path / "file" / "data").keys() == {"REGISTRY_DATA_DIR"}


def test_a_data_directory_may_have_any_name_that_a_url_can_say(load: Callable[..., Settings], tmp_path: Path) -> None:
    from registry.storage.factory import open_store

    settings = load(data_dir=tmp_path / "a b#c%41")
    open_store(settings)

    assert (tmp_path / "a b#c%41" / "artifacts").is_dir()
    assert problems(load, {}, data_dir=tmp_path / "a?b").keys() == {"REGISTRY_DATABASE_URL"}


def test_secrets_do_not_show_themselves(load: Callable[..., Settings], caplog: pytest.LogCaptureFixture) -> None:
    settings = load({"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY})

    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").warning("%s %r %s", settings, settings, dataclasses.asdict(settings))
    shown = [repr(settings), str(settings), f"{settings.secret_key} {settings.secret_key!r}", str(vars_of(settings)),
             f"{settings.database_url!s:>40}", caplog.text]  # fmt: skip

    for text in shown:
        assert KEY not in text
        assert "hunter2" not in text
    assert "****" in repr(settings)
    assert settings.secret_key.reveal() == KEY


def test_secrets_are_compared_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert copy.deepcopy(Secret("a")) == Secret("a")
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")
    assert Secret("caf\u00e9") == Secret("caf\u00e9")


def test_settings_cannot_be_changed(load: Callable[..., Settings]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().dev = True  # type: ignore[misc]  # that is the point


def vars_of(settings: Settings) -> dict[str, Any]:
    return {item.name: getattr(settings, item.name) for item in dataclasses.fields(settings)}


def test_tracing_that_cannot_work_is_refused_at_the_start(
    load: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = problems(load, {"REGISTRY_TRACING": "true"})
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.test:4318")
    with_endpoint = load({"REGISTRY_TRACING": "true"})
    monkeypatch.setattr(sys, "path", [])  # as where the extra is not installed
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    uninstalled = problems(load, {"REGISTRY_TRACING": "true"})

    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in without["REGISTRY_TRACING"]
    assert with_endpoint.tracing
    assert "pip install '.[server,otel]'" in uninstalled["REGISTRY_TRACING"]


@pytest.mark.parametrize(
    ("bind", "host", "port", "bound"),
    [
        (None, "0.0.0.0", None, "0.0.0.0:5000"),
        (None, None, 8080, "127.0.0.1:8080"),
        ("10.0.0.1:1", None, 8080, "10.0.0.1:8080"),
        ("10.0.0.1:1", "::1", 8080, "[::1]:8080"),
    ],
)
def test_host_and_port_replace_their_part_of_the_address(
    load: Callable[..., Settings], tmp_path: Path, bind: str | None, host: str | None, port: int | None, bound: str
) -> None:
    variables = {"REGISTRY_BIND": bind} if bind else {}

    assert load(variables, data_dir=tmp_path, host=host, port=port).bind == bound


def test_prepared_statements_are_as_set_or_found_out(load: Callable[..., Settings]) -> None:
    found = [load({"REGISTRY_DATABASE_PREPARED": value}).database_prepared for value in ("true", "false", "auto", "")]

    assert found == [True, False, None, None]


@pytest.mark.parametrize(
    "place", ["a,b/registry", "/registry?host=a,b", "/registry?host=a&host=b", "a:5432,b:5432/registry"]
)
def test_a_replica_is_one_server(load: Callable[..., Settings], place: str) -> None:
    variables = {"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY}

    with pytest.raises(SettingsError, match="must name one server"):
        load({**variables, "REGISTRY_DATABASE_REPLICA_URL": f"postgresql://{place}"})


def test_the_password_of_a_replica_is_a_secret(load: Callable[..., Settings]) -> None:
    url = "postgresql://registry:hunter%203@replica.test/registry?host=replica.test"
    loaded = load({"REGISTRY_DATABASE_URL": POSTGRES, "REGISTRY_SECRET_KEY": KEY, "REGISTRY_DATABASE_REPLICA_URL": url})

    assert {"hunter2", "hunter 3"} <= set(loaded.secrets())
    assert "hunter" not in repr(loaded)
