"""What must hold of deploy/compose.yaml, whatever else changes in it."""

import dataclasses
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from sqlalchemy.engine import make_url

from registry.config import CLIENT_VARIABLES, VARIABLES, Settings
from tests.conftest import SECRET
from tests.support import forked_processes, tool_environments
from tests.support.databases import empty_postgres
from tests.support.postgres import find_binaries
from tests.support.processes import environment

DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
OURS = ("registry", "worker", "migrate", "s3-init", "backup")
JOBS = ("migrate", "s3-init", "backup")
APP_PASSWORD, SEALER_PASSWORD = "REGISTRY_DATABASE_APP_PASSWORD", "REGISTRY_DATABASE_SEALER_PASSWORD"
SPECIAL = {"migrate": {APP_PASSWORD, SEALER_PASSWORD}, "worker": {"REGISTRY_LOG_KEY"}}  # with roles of their own


def test_every_variable_of_ours_is_a_setting():
    named = set(re.findall(r"\bREGISTRY_[A-Z0-9_]+", TEXT + (DEPLOY / "env.example").read_text()))

    assert named
    assert {name.removesuffix("_FILE") for name in named} <= VARIABLES | CLIENT_VARIABLES


def test_every_variable_that_compose_requires_is_in_the_example_file():
    required = set(re.findall(r"\$\{([A-Z0-9_]+):\?", TEXT))
    example = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (DEPLOY / "env.example").read_text(), re.MULTILINE))

    assert required == example.keys()
    assert set(example.values()) == {""}


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_has_no_default_and_no_literal_value(name):
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|ACCESS_KEY|DATABASE_URL", variable):
            assert re.search(r"\$\{[A-Z0-9_]+:\?", value), variable


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_a_version(name):
    _, _, tag = SERVICES[name]["image"].rpartition(":")

    assert re.match(r"\d", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_write_only_to_its_volumes_and_gains_no_privilege(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert ("/tmp" in service["tmpfs"]) != (name == "registry")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"}
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


@pytest.mark.parametrize("name", SERVICES)
def test_a_published_port_is_on_loopback(name):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_only_a_job_is_not_started_again_when_it_ends(name):
    assert SERVICES[name]["restart"] == ("no" if name in JOBS else "unless-stopped")


@pytest.mark.parametrize("name", ["registry", "worker"])
def test_the_service_waits_for_its_stores_and_for_the_jobs(name):
    conditions = {other: wait["condition"] for other, wait in SERVICES[name]["depends_on"].items()}

    assert conditions == {
        "postgres": "service_healthy",
        "s3": "service_healthy",
        "migrate": "service_completed_successfully",
        "s3-init": "service_completed_successfully",
    }


def test_all_containers_of_ours_have_the_same_image_and_settings():
    first = SERVICES[OURS[0]]

    for name in OURS[1:]:
        other, environment = SERVICES[name], dict(SERVICES[name]["environment"])
        assert environment.keys() - first["environment"].keys() == SPECIAL.get(name, set())
        for variable in SPECIAL.get(name, ()):
            del environment[variable]
        if name in SPECIAL:
            environment["REGISTRY_DATABASE_URL"] = first["environment"]["REGISTRY_DATABASE_URL"]
        assert (other["image"], other["build"], environment) == (first["image"], first["build"], first["environment"])


def test_only_the_migration_connects_as_the_owner_of_the_tables_and_only_the_worker_may_seal():
    users = {name: SERVICES[name]["environment"]["REGISTRY_DATABASE_URL"].split("//")[1].split(":")[0] for name in OURS}

    assert users == dict.fromkeys(OURS, "registry_app") | {"migrate": "registry", "worker": "registry_worker"}
    assert SERVICES["migrate"]["command"] == [
        "db", "upgrade", "--app-role", "registry_app", "--sealer-role", "registry_worker",
    ]  # fmt: skip


def test_the_migration_makes_the_roles_of_the_service_that_backs_up_and_of_the_worker(postgres_server, tmp_path):
    role = f"compose_{uuid.uuid4().hex[:12]}"  # roles are those of the whole server
    sealer = f"{role}_worker"
    owner = make_url(empty_postgres(postgres_server))
    app = owner.set(username=role, password="aPassword")
    given = {name: str(value) for name, value in SERVICES["migrate"]["environment"].items() if "S3" not in name}
    given |= {
        "REGISTRY_DATABASE_URL": owner.render_as_string(hide_password=False), APP_PASSWORD: "aPassword",
        SEALER_PASSWORD: "anotherPassword",
        "REGISTRY_SECRET_KEY": SECRET, "REGISTRY_STORAGE_URL": f"file://{tmp_path}",
        "REGISTRY_PUBLIC_URL": "http://127.0.0.1:5000",
    }  # fmt: skip
    names = {"registry_app": role, "registry_worker": sealer}
    command = [names.get(argument, argument) for argument in SERVICES["migrate"]["command"]]

    done = forked_processes.server().run("registry", *command, cwd=tmp_path, env=environment(**given))
    as_app = {**given, "REGISTRY_DATABASE_URL": app.render_as_string(hide_password=False)}
    checked = forked_processes.server().run("registry", "db", "check", cwd=tmp_path, env=environment(**as_app))

    assert (done.returncode, done.stderr) == (0, "")
    assert f"The role {role} has the application's rights.\n" in done.stdout
    assert f"The role {sealer} has the application's rights and may seal the audit log.\n" in done.stdout
    assert (checked.returncode, checked.stdout) == (0, "The database is as this release expects.\n"), checked.stderr
    service = SERVICES["backup"]
    backed_up = subprocess.run(
        [sys.executable, DEPLOY / "backup" / "backup.py", "take", tmp_path / "backups", *service["command"][2:]],
        env=environment(
            **{**given, "REGISTRY_DATABASE_URL": app.render_as_string(hide_password=False)},
            PATH=f"{find_binaries()}{os.pathsep}{os.environ['PATH']}",
            REGISTRY_DATA_DIR=str(tmp_path),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (backed_up.returncode, backed_up.stderr) == (0, "")


@pytest.mark.parametrize("name", ["registry", "worker"])
def test_a_container_has_the_time_that_it_takes_to_leave(name):
    text = (DEPLOY / "gunicorn.conf.py").read_text()
    drain = next(setting.default for setting in dataclasses.fields(Settings) if setting.name == "drain_seconds")
    graceful = int(re.search(r"^graceful_timeout = (\d+)$", text, re.M)[1])

    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain + graceful


def test_a_backup_runs_on_demand_the_script_of_the_image():
    service, dockerfile = SERVICES["backup"], (DEPLOY.parent / "Dockerfile").read_text()

    assert service["profiles"] == ["backup"]
    assert service["entrypoint"] == ["python", "/opt/backup/backup.py"]
    assert "COPY deploy/backup /opt/backup\n" in dockerfile
    (place,) = (volume.partition(":")[2] for volume in service["volumes"])
    assert service["command"][:2] == ["take", place]
    assert (
        f" {place}\n" in re.search(r"install --directory --owner=10001 .*\n", dockerfile)[0]
    )  # a volume has its owner


def test_the_image_dumps_the_database_of_compose():
    server = SERVICES["postgres"]["image"].rpartition(":")[2].partition(".")[0]
    client = re.search(r"postgresql-client-(\d+)", (DEPLOY.parent / "Dockerfile").read_text())[1]

    assert int(client) >= int(server)
    assert re.search(
        rf"^ENV PATH=.*:/usr/lib/postgresql/{client}/bin", (DEPLOY.parent / "Dockerfile").read_text(), re.M
    )


def test_every_volume_with_a_name_is_declared():
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}

    assert {name for name in used if not name.startswith(".")} == yaml.safe_load(TEXT)["volumes"].keys()


def test_what_waits_to_be_hashed_waits_on_the_disk():
    assert "registry-spool:/tmp" in SERVICES["registry"]["volumes"]
    assert "registry-spool" in yaml.safe_load(TEXT)["volumes"]


def test_compose_and_hadolint_find_nothing_wrong():
    schema = [
        tool_environments.validator("check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        DEPLOY / "compose.yaml",
    ]
    programs = [schema, [tool_environments.validator("hadolint"), "--no-color", DEPLOY.parent / "Dockerfile"]]

    found = [subprocess.run(program, capture_output=True, text=True, check=False) for program in programs]

    assert [(done.returncode, done.stdout) for done in found] == [(0, "ok -- validation done\n"), (0, "")]


def test_the_bucket_is_created_once_and_found_afterwards():
    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    environment = {
        "PATH": os.environ["PATH"],
        "REGISTRY_STORAGE_URL": "s3://models-of-ours/artifacts",
        "REGISTRY_S3_ENDPOINT_URL": endpoint,
        "REGISTRY_S3_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    script = [sys.executable, str(DEPLOY / "seaweedfs" / "create_bucket.py")]

    try:
        runs = [subprocess.run(script, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
        store = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        buckets = [bucket["Name"] for bucket in store.list_buckets()["Buckets"]]
        store.close()
    finally:
        server.stop()

    assert buckets.count("models-of-ours") == 1  # other tests of this process share moto's state
    assert [run.stdout for run in runs] == ["bucket models-of-ours is ready\n"] * 2
