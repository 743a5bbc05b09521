"""The Helm chart, linted and rendered by Helm's own library: it makes what deploy/kubernetes says."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.config import Settings
from tests.support import tool_environments

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm"
PLAIN = DEPLOY / "kubernetes"
SAME = {
    "Deployment/registry": "base/deployment.yaml",
    "Deployment/registry-worker": "base/worker.yaml",
    "Job/registry-migrate": "migrate/job.yaml",
    "Service/registry": "base/service.yaml",
    "ServiceAccount/registry": "base/service-account.yaml",
    "PodDisruptionBudget/registry": "base/disruption-budget.yaml",
    "NetworkPolicy/registry": "base/network-policy.yaml",
    "ServiceMonitor/registry": "monitoring/service-monitor.yaml",
    "CronJob/registry-backup": "backup/cron-job.yaml",
    "PersistentVolumeClaim/registry-backups": "backup/volume-claim.yaml",
}
OPTIONAL = {"serviceMonitor": {"enabled": True}, "backup": {"enabled": True}}
PLACEMENT = {
    "imagePullSecrets": [{"name": "pull"}],
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}},
}  # fmt: skip
EXTRA_ENV = [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"},
             {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]  # fmt: skip
EVERYTHING = {
    "image": {"repository": "images.example.com/registry", "tag": "0.1.1"},
    "settings": {
        "REGISTRY_SINGLE_PUT_BYTES": 67108864,
        "REGISTRY_S3_PATH_STYLE": True,
        "REGISTRY_TRUSTED_PROXIES": "1",
    },
    **OPTIONAL,
    **PLACEMENT,
    "extraEnv": EXTRA_ENV,
    "podLabels": {"azure.workload.identity/use": "true"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/registry"}},
    "networkPolicy": {"egress": [{"ports": [{"port": 9000, "protocol": "TCP"}]}]},
    "ingress": {"host": "registry.example.com", "className": "nginx", "annotations": {"a": "b"}},
}


@cache
def rendered(values: str = "{}") -> dict[str, Any]:
    program = [tool_environments.helm_python(), Path(__file__).with_name("render_chart.py"), CHART]
    done = subprocess.run(program, input=values, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def manifests(values: dict[str, Any]) -> dict[str, Any]:
    made = rendered(json.dumps(values))["manifests"]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in made}


def without_additions(manifest: Any) -> Any:
    """The manifest without what only a chart has: the release's label, and annotations."""
    if isinstance(manifest, list):
        return [without_additions(one) for one in manifest]
    if not isinstance(manifest, dict):
        return manifest
    added = {"app.kubernetes.io/instance", "annotations"}
    return {key: without_additions(value) for key, value in manifest.items() if key not in added}


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_helm_finds_nothing_wrong(values: dict[str, Any]) -> None:
    report = rendered(json.dumps(values))["report"]

    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert not report["errors"]


@pytest.mark.parametrize("name", SAME)
def test_the_chart_makes_what_the_plain_files_say(name: str) -> None:
    plain = yaml.safe_load((PLAIN / SAME[name]).read_text())

    made = manifests(OPTIONAL)[name]

    assert without_additions(made) == without_additions(plain)


def test_the_chart_makes_nothing_else() -> None:
    optional = {"ServiceMonitor/registry", "CronJob/registry-backup", "PersistentVolumeClaim/registry-backups"}

    assert manifests({}).keys() == (SAME.keys() - optional) | {"ConfigMap/registry-settings"}
    assert manifests(EVERYTHING).keys() - manifests({}).keys() == optional | {"Ingress/registry"}


def test_values_come_where_they_belong() -> None:
    made = manifests(EVERYTHING)
    pods = [made[name]["spec"]["template"] for name in ("Deployment/registry", "Deployment/registry-worker")]
    plain = yaml.safe_load((PLAIN / "overlays/example/ingress.yaml").read_text())["spec"]["rules"][0]["http"]["paths"]

    settings = made["ConfigMap/registry-settings"]["data"]
    assert settings["REGISTRY_SINGLE_PUT_BYTES"] == "67108864"
    assert settings["REGISTRY_S3_PATH_STYLE"] == "true"
    for pod in [*pods, made["Job/registry-migrate"]["spec"]["template"]]:
        assert pod["spec"]["containers"][0]["image"] == "images.example.com/registry:0.1.1"
    paths = made["Ingress/registry"]["spec"]["rules"][0]["http"]["paths"]
    assert sorted(map(str, paths)) == sorted(map(str, plain))
    assert {"ports": [{"port": 9000, "protocol": "TCP"}]} in made["NetworkPolicy/registry"]["spec"]["egress"]


def test_the_command_on_the_page_makes_what_the_example_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PLAIN / "README.md").read_text()
    given: dict[str, Any] = {}
    for kind, path, value in re.findall(r"--set(-string)? ([\w.]+)=(\S+)", page):
        *parents, name = path.split(".")
        place = given
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value if kind else yaml.safe_load(value)
    (tmp_path / "key").write_text("x" * 40)
    (tmp_path / "url").write_text("postgresql://registry:secret@postgres/registry")

    made = manifests(given)

    written = (PLAIN / "overlays/example/settings.env").read_text()
    settings = made["ConfigMap/registry-settings"]["data"]
    assert settings.items() >= dict(line.split("=", 1) for line in written.splitlines()).items()
    assert {"Ingress/registry", "ServiceMonitor/registry"} <= made.keys()
    example = yaml.safe_load((PLAIN / "overlays/example/ingress.yaml").read_text())
    ingress = made["Ingress/registry"]
    assert ingress["metadata"]["annotations"] == example["metadata"]["annotations"]
    assert ingress["spec"]["ingressClassName"] == example["spec"]["ingressClassName"]
    secrets = {"REGISTRY_SECRET_KEY_FILE": tmp_path / "key", "REGISTRY_DATABASE_URL_FILE": tmp_path / "url"}
    for name, value in [*settings.items(), *secrets.items()]:
        monkeypatch.setenv(name, str(value))
    assert Settings.load().public_url == "https://registry.example.com"


def test_an_ingress_that_would_publish_the_numbers_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        manifests({"ingress": {"host": "registry.example.com"}})

    assert "/metrics would be public" in failed.value.stderr
    assert "Ingress/registry" in manifests({"ingress": {"host": "registry.example.com"}, "metrics": {"token": True}})


def test_every_pod_is_placed_and_set_up_as_the_values_say() -> None:
    made = manifests(EVERYTHING)
    specs = {name: one["spec"].get("jobTemplate", one)["spec"]["template"] for name, one in made.items()
             if one["kind"] in {"Deployment", "Job", "CronJob"}}  # fmt: skip

    assert len(specs) == 4
    for name, pod in specs.items():
        assert pod["spec"].items() >= PLACEMENT.items(), name
        assert [one for one in pod["spec"]["containers"][0]["env"] if one in EXTRA_ENV] == EXTRA_ENV, name
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true", name
    annotations = made["ServiceAccount/registry"]["metadata"]["annotations"]
    assert annotations == {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/registry"}


def test_backups_stay_when_the_release_goes_or_go_where_there_is_a_volume() -> None:
    made = manifests({"backup": {"enabled": True, "schedule": "0 4 * * 0", "keep": 7, "size": "1Ti",
                                 "storageClassName": "slow"}})  # fmt: skip
    elsewhere = manifests({"backup": {"enabled": True, "existingClaim": "nfs"}})

    claim, job = made["PersistentVolumeClaim/registry-backups"], made["CronJob/registry-backup"]["spec"]
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert (claim["spec"]["storageClassName"], claim["spec"]["resources"]["requests"]) == ("slow", {"storage": "1Ti"})
    container = job["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert (job["schedule"], container["args"]) == ("0 4 * * 0", ["take", "/backups", "--keep", "7"])
    assert "PersistentVolumeClaim/registry-backups" not in elsewhere
    volumes = elsewhere["CronJob/registry-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "backups", "persistentVolumeClaim": {"claimName": "nfs"}} in volumes


def test_another_setting_is_another_pod() -> None:
    sums = {
        manifests({"settings": {"REGISTRY_LOG_LEVEL": level}})["Deployment/registry"]["spec"]["template"]["metadata"][
            "annotations"
        ]["checksum/settings"]
        for level in ("info", "debug")
    }

    assert len(sums) == 2


def test_the_migration_runs_before_a_release_changes_anything() -> None:
    annotations = manifests({})["Job/registry-migrate"]["metadata"]["annotations"]

    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"


def test_what_the_chart_makes_is_as_kubernetes_own_schemas_have_it(tmp_path: Path) -> None:
    whole = tmp_path / "whole.yaml"
    made = [one for one in manifests(EVERYTHING).values() if one["kind"] != "ServiceMonitor"]
    whole.write_text("---\n".join(yaml.dump(one) for one in made))
    program = [tool_environments.validator("kubernetes-validate"), "--strict", whole]

    validated = subprocess.run(program, capture_output=True, text=True, check=False)

    assert (validated.returncode, "WARN" in validated.stderr) == (0, False), validated.stderr


def test_a_token_for_the_metrics_goes_to_the_service_and_to_its_monitor() -> None:
    made = manifests({"metrics": {"token": True}, "serviceMonitor": {"enabled": True}, "secretName": "kept"})

    (container,) = made["Deployment/registry"]["spec"]["template"]["spec"]["containers"]
    (endpoint,) = made["ServiceMonitor/registry"]["spec"]["endpoints"]
    assert {"name": "REGISTRY_METRICS_TOKEN_FILE", "value": "/etc/registry/secrets/metrics-token"} in container["env"]
    assert endpoint["authorization"] == {"credentials": {"name": "kept", "key": "metrics-token"}}


def test_a_worker_without_a_secret_of_its_own_has_the_role_of_the_service_and_no_log_key() -> None:
    made = manifests({"worker": {"secretName": ""}, "migration": {"appRole": "", "sealerRole": ""}})
    spec = made["Deployment/registry-worker"]["spec"]["template"]["spec"]
    variables = {one["name"]: one["value"] for one in spec["containers"][0]["env"]}

    assert variables["REGISTRY_DATABASE_URL_FILE"] == "/etc/registry/secrets/database-url"
    assert "REGISTRY_LOG_KEY_FILE" not in variables
    assert [volume["name"] for volume in spec["volumes"]] == ["data", "tmp", "secrets"]
    (migration,) = made["Job/registry-migrate"]["spec"]["template"]["spec"]["containers"]
    assert migration["args"] == ["db", "upgrade"]
