"""What must hold of deploy/kubernetes, and what schemas and checkers say of it.

The plain files are checked everywhere, what kustomize makes of them where there is a kubectl.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from sqlalchemy.engine import make_url

from registry.config import VARIABLES, Settings
from tests.support import tool_environments
from tests.support.crashes import command
from tests.support.databases import empty_postgres
from tests.support.processes import environment

DEPLOY = Path(__file__).parents[2] / "deploy"
PLACE = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted(path.parent for path in PLACE.rglob("kustomization.yaml"))
PLAIN = sorted(path for path in PLACE.rglob("*.yaml") if path.name != "kustomization.yaml")
SECRETS = {"database-url", "secret-key", "aws-credentials"}
OWNER = "database-owner-url"  # for the migration alone
SEALER = {"database-url", "log-key"}  # for the worker alone
# checkov's wishes that an overlay decides: a digest in place of a version, and when to pull it.
OVERLAYS_CHOICE = "CKV_K8S_43,CKV_K8S_15"
# The namespace, too, is the overlay's: the plain files name none.
NO_NAMESPACE = "CKV_K8S_21"


def manifest(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


WORKLOADS = {path.stem: manifest(path) for path in PLAIN if manifest(path)["kind"] in {"Deployment", "Job", "CronJob"}}


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = template(WORKLOADS[name])["spec"]
    return found


def template(workload: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's template, which a CronJob has in the template of its jobs."""
    found: dict[str, Any] = workload["spec"].get("jobTemplate", workload)["spec"]["template"]
    return found


def container(name: str) -> dict[str, Any]:
    found: dict[str, Any] = pod(name)["containers"][0]
    return found


def variables(name: str, files: Path) -> dict[str, str]:
    """The environment of the container, its secrets in *files* in place of where they are mounted."""
    given = {}
    if "envFrom" in container(name):
        for settings in ("base/settings.env", "overlays/example/settings.env"):
            given |= dict(line.split("=", 1) for line in (PLACE / settings).read_text().splitlines())
    given |= {entry["name"]: entry["value"] for entry in container(name)["env"]}
    return {key: re.sub("/etc/registry/(secrets|owner|worker)", str(files), value) for key, value in given.items()}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "database-url").write_text("postgresql://registry:secret@postgres/registry")
    (tmp_path / OWNER).write_text("postgresql://owner:secret@postgres/registry")
    (tmp_path / "secret-key").write_text("x" * 40)
    (tmp_path / "log-key").write_text(bytes(range(32)).hex())
    (tmp_path / "aws-credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    return tmp_path


def test_there_are_a_service_a_worker_a_migration_and_a_backup() -> None:
    assert {name: workload["kind"] for name, workload in WORKLOADS.items()} == {
        "deployment": "Deployment",
        "worker": "Deployment",
        "job": "Job",
        "cron-job": "CronJob",
    }
    assert [container(name)["args"] for name in ("deployment", "worker", "job", "cron-job")] == [
        ["serve"],
        ["worker"],
        ["db", "upgrade", "--app-role", "registry_app", "--sealer-role", "registry_worker"],
        ["take", "/backups", "--keep", "30"],
    ]
    assert WORKLOADS["deployment"]["spec"]["replicas"] >= 2


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=str)
def test_a_kustomization_lists_every_file_of_its_directory_and_no_other(folder: Path) -> None:
    found = manifest(folder / "kustomization.yaml")
    files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    settings = {name for maker in found.get("configMapGenerator", []) for name in maker["envs"]}

    assert {name for name in found["resources"] if name.endswith(".yaml")} == files
    assert settings == {path.name for path in folder.glob("*.env")}
    assert all((folder / name).exists() for name in found["resources"])


def test_the_example_is_all_parts_but_the_migration_that_goes_before_them() -> None:
    parts = {f"../../{one.name}" for one in KUSTOMIZATIONS if one.parent == PLACE} - {"../../migrate"}

    assert parts == {"../../base", "../../backup", "../../monitoring"}
    assert parts <= set(manifest(PLACE / "overlays/example/kustomization.yaml")["resources"])


def test_the_migration_runs_the_image_of_the_service() -> None:
    service, migration = (manifest(PLACE / "overlays/example" / name) for name in
                          ("kustomization.yaml", "migrate/kustomization.yaml"))  # fmt: skip

    assert len({container(name)["image"] for name in WORKLOADS}) == 1
    assert service["images"] == migration["images"]
    assert service["namespace"] == migration["namespace"]
    assert container("job")["image"].startswith(f"{service['images'][0]['name']}:")


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_is_as_the_restricted_profile_has_it(name: str) -> None:
    assert pod(name)["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 10001}.items()
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["enableServiceLinks"] is False
    assert set(container(name)["resources"]) == {"requests", "limits"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_secrets_are_named_and_nowhere_written(name: str) -> None:
    mounted = {volume["secret"]["secretName"] for volume in pod(name)["volumes"] if "secret" in volume}
    files = {entry["value"] for entry in container(name)["env"]}

    special = {"job": "owner", "worker": "worker"}.get(name)
    kept = {"owner": {OWNER}, "worker": SEALER}.get(special or "", set())
    assert mounted == {"registry-secrets", *([f"registry-{special}"] if special else [])}
    assert files <= {f"/etc/registry/secrets/{key}" for key in SECRETS} | {
        f"/etc/registry/{special}/{key}" for key in kept
    }
    assert {f"/etc/registry/{special}/{key}" for key in kept} <= files
    assert ("/etc/registry/secrets/database-url" in files) == (special is None)
    assert not any(manifest(path)["kind"] == "Secret" for path in PLAIN)


def test_the_page_makes_the_secret_that_the_pods_name() -> None:
    page = (PLACE / "README.md").read_text()

    assert set(re.findall(r"--from-(?:literal|file)=([a-z-]+)=", page)) == {*SECRETS, OWNER, *SEALER}
    assert set(re.findall(r"secret generic ([a-z-]+)", page)) == {
        "registry-secrets", "registry-owner", "registry-worker",
    }  # fmt: skip


def test_the_migration_gives_rights_to_the_roles_of_compose_and_of_the_page() -> None:
    page, compose = (PLACE / "README.md").read_text(), manifest(DEPLOY / "compose.yaml")

    assert compose["services"]["migrate"]["command"] == container("job")["args"]
    for role in container("job")["args"][3::2]:
        assert f"--from-literal=database-url=postgresql://{role}:" in page
        assert f"CREATE ROLE {role} LOGIN" in page


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_variable_is_a_setting(name: str, secrets: Path) -> None:
    ours = {key.removesuffix("_FILE") for key in variables(name, secrets) if key.startswith("REGISTRY_")}

    assert ours
    assert ours <= VARIABLES


def test_a_backup_is_that_of_compose_into_a_separate_volume() -> None:
    compose = manifest(DEPLOY / "compose.yaml")["services"]["backup"]
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod("cron-job")["volumes"]
              if "persistentVolumeClaim" in volume]  # fmt: skip

    assert (container("cron-job")["command"], container("cron-job")["args"]) == (
        compose["entrypoint"],
        compose["command"],
    )
    assert claims == [manifest(PLACE / "backup" / "volume-claim.yaml")["metadata"]["name"]]
    assert {"name": "backups", "mountPath": "/backups"} in container("cron-job")["volumeMounts"]


@pytest.mark.parametrize("name", ["deployment", "worker", "cron-job"])
def test_the_service_takes_its_settings(name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in variables(name, secrets).items():
        monkeypatch.setenv(key, value)

    settings = Settings.load()

    assert (settings.log_key is not None) == (name == "worker")
    assert settings.database_url.reveal().endswith("@postgres/registry")
    assert settings.storage_url == "s3://models-of-ours/artifacts"


def test_the_migration_needs_no_more_than_it_is_given(secrets: Path, postgres_server: str) -> None:
    url, roles = empty_postgres(postgres_server), container("job")["args"][3::2]
    (secrets / OWNER).write_text(url)
    # An administrator has made the roles; here the migration does.
    passwords = {f"REGISTRY_DATABASE_{role}_PASSWORD": "x" * 20 for role in ("APP", "SEALER")}
    given = {**variables("job", secrets), "REGISTRY_DATA_DIR": str(secrets), **passwords}

    migrated = command(*container("job")["args"], cwd=secrets, env=environment(**given))

    admin = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
        for role in roles:
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert migrated.stdout.startswith("The database is at ")
    assert f"The role {roles[1]} has the application's rights and may seal the audit log." in migrated.stdout


def test_a_replica_has_the_time_that_it_takes_to_leave() -> None:
    drain = next(setting.default for setting in dataclasses.fields(Settings) if setting.name == "drain_seconds")
    graceful = int(_found(r"^graceful_timeout = (\d+)$", (DEPLOY / "gunicorn.conf.py").read_text()))
    wait = int(container("deployment")["lifecycle"]["preStop"]["exec"]["command"][1])

    assert pod("deployment")["terminationGracePeriodSeconds"] > wait + drain + graceful


def test_a_probe_waits_for_longer_than_the_service_does() -> None:
    longest = next(setting.default for setting in dataclasses.fields(Settings) if setting.name == "probe_seconds")

    assert container("deployment")["readinessProbe"]["timeoutSeconds"] > longest


def test_a_database_that_is_away_takes_replicas_out_and_ends_none() -> None:
    probes = {name: container("deployment")[f"{name}Probe"]["httpGet"]["path"] for name in
              ("startup", "liveness", "readiness")}  # fmt: skip

    assert probes == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_everything_that_selects_pods_selects_ours() -> None:
    labels = {name: template(workload)["metadata"]["labels"] for name, workload in WORKLOADS.items()}
    service = manifest(PLACE / "base/service.yaml")
    selectors = [
        service["spec"]["selector"],
        manifest(PLACE / "base/disruption-budget.yaml")["spec"]["selector"]["matchLabels"],
        WORKLOADS["deployment"]["spec"]["selector"]["matchLabels"],
    ]
    policy = manifest(PLACE / "base/network-policy.yaml")["spec"]
    monitor = manifest(PLACE / "monitoring/service-monitor.yaml")["spec"]

    assert all(selector == labels["deployment"] for selector in selectors)
    assert all(policy["podSelector"]["matchLabels"].items() <= each.items() for each in labels.values())
    assert monitor["selector"]["matchLabels"] == service["metadata"]["labels"]
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "model-registry"
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} == {
        port["name"] for port in service["spec"]["ports"]
    }
    assert service["spec"]["ports"][0]["targetPort"] == container("deployment")["ports"][0]["name"]


def test_everything_comes_through_the_way_in_and_the_numbers_need_a_token_there() -> None:
    rules = manifest(PLACE / "overlays/example/ingress.yaml")["spec"]["rules"]
    settings = (PLACE / "overlays/example/settings.env").read_text()

    assert [path["path"] for rule in rules for path in rule["http"]["paths"]] == ["/"]
    assert "REGISTRY_TRUSTED_PROXIES=1\n" in settings  # without a token /metrics is refused through a trusted proxy


def test_files_of_any_size_come_through_the_way_in_and_slow_readers_wait_there() -> None:
    ingress = manifest(PLACE / "overlays/example/ingress.yaml")
    annotations = {name.rpartition("/")[2]: value for name, value in ingress["metadata"]["annotations"].items()}

    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert annotations == {
        "proxy-body-size": "0",
        "proxy-request-buffering": "off",
        "proxy-buffering": "on",
        "proxy-max-temp-file-size": "1024m",
        "limit-connections": "100",
    }


def test_the_files_are_as_kubernetes_own_schemas_have_them() -> None:
    monitor = PLACE / "monitoring/service-monitor.yaml"  # its schema comes with the operator, not with Kubernetes

    validated = validate(*(path for path in PLAIN if path != monitor))

    assert (validated.returncode, "WARN" in validated.stderr) == (0, False), validated.stderr


def test_the_schemas_refuse_a_word_that_kubernetes_does_not_know(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((PLACE / "base/deployment.yaml").read_text().replace("livenessProbe:", "lifenessProbe:"))

    assert validate(wrong).returncode != 0


@pytest.mark.share(0)  # scans files that change with a release: --every-variant runs it
def test_checkov_finds_nothing(tmp_path: Path) -> None:
    together = tmp_path / "all.yaml"
    together.write_text("\n---\n".join(path.read_text() for path in PLAIN))
    shutil.copy(PLACE.parents[1] / "Dockerfile", tmp_path)
    options = ["--framework", "kubernetes", "dockerfile", "--skip-check", f"{OVERLAYS_CHOICE},{NO_NAMESPACE}"]

    checked = subprocess.run(
        [
            tool_environments.checkov(),
            "-d",
            tmp_path,
            *options,
            "--compact",
            "--quiet",
            "--skip-download",
            "-o",
            "json",
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    reports = yaml.safe_load(checked.stdout)
    assert checked.returncode == 0, checked.stdout
    assert {report["check_type"] for report in reports} == {"kubernetes", "dockerfile"}
    assert all(report["summary"]["passed"] > 50 for report in reports)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here, and no package registry has a new one")
def test_kustomize_makes_of_the_example_what_its_parts_say(tmp_path: Path) -> None:
    made = {folder: list(kustomized(PLACE / folder)) for folder in ("overlays/example", "overlays/example/migrate")}

    everything = [one for documents in made.values() for one in documents]
    by_kind = {f"{one['kind']}/{one['metadata']['name'].partition('-settings')[0]}": one for one in everything}
    settings = by_kind["ConfigMap/registry"]
    assert settings["data"]["REGISTRY_PUBLIC_URL"] == "https://registry.example.com"
    assert settings["data"]["REGISTRY_LOG_FORMAT"] == "json"
    for kind in ("Deployment/registry", "Deployment/registry-worker", "Job/registry-migrate"):
        made_container = by_kind[kind]["spec"]["template"]["spec"]["containers"][0]
        assert made_container["image"].startswith("images.example.com/model-registry:")
        assert by_kind[kind]["metadata"]["namespace"] == "model-registry"
        if "envFrom" in made_container:
            assert made_container["envFrom"][0]["configMapRef"]["name"] == settings["metadata"]["name"]
    whole = tmp_path / "whole.yaml"
    whole.write_text("---\n".join(yaml.dump(one) for one in everything if one["kind"] != "ServiceMonitor"))
    validated = validate(whole)
    assert (validated.returncode, "WARN" in validated.stderr) == (0, False), validated.stderr


def validate(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = [tool_environments.validator("kubernetes-validate"), "--strict", *paths]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def kustomized(folder: Path) -> Iterator[Mapping[str, Any]]:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    yield from yaml.safe_load_all(done.stdout)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match
    return match[1]
