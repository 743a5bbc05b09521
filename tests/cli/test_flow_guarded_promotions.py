"""The commands of the page about a guarded promotion, each by the account that the page names."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from tests.cli.conftest import CommandLine, Done, Place
from tests.docs.pages import DOCS, missing
from tests.support.forked_processes import serving
from tests.support.ports import free_port
from tests.support.processes import environment

PAGE = (DOCS / "guarded-promotions.md").read_text()
REQUEST = "0d0ce5ab-3a6c-4c8e-9d10-62a6a1f0b6c4"
REFUSED_ON_PURPOSE = {'registry promote fraud:1 --to production --reason "November model"': 6}
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_ACCOUNTS = re.compile(r"^\| (`.*?) \| (\w+) \|", re.MULTILINE)


@pytest.fixture
def bootstrap(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The bootstrap token of a server with logins, which the commands call."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("REGISTRY_URL", url)
    with serving("--bind", f"127.0.0.1:{port}", cwd=place.cwd, env=environment(), url=url):
        yield (place.cwd / "registry-data" / "bootstrap-token").read_text().strip()


def test_the_page_about_a_guarded_promotion_prints_what_it_shows(
    run_cli: CommandLine, place: Place, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = {"you": bootstrap}

    def run(account: str, line: str) -> Done:
        monkeypatch.setenv("REGISTRY_TOKEN", tokens[account])
        if REQUEST in line:
            (newest, *_) = json.loads(run_cli("request", "list", "--json").out)["items"]
            line = line.replace(REQUEST, newest["id"])
        done = run_cli(*shlex.split(line)[1:])
        assert done.code == REFUSED_ON_PURPOSE.get(line, 0), done.err
        return done

    for names, role in _ACCOUNTS.findall(PAGE):
        for name in re.findall(r"[\w-]+", names):
            tokens[name] = json.loads(run("you", f"registry token create {name} --role {role} --json").out)["token"]
    policy, workflow = _YAML.findall(PAGE)
    (place.cwd / "model").mkdir()
    (place.cwd / "holdout.csv").write_text("amount\n0\n")
    (place.cwd / "policy.yaml").write_text(policy)
    (place.cwd / "weaker.yaml").write_text(policy.replace("at_least: 0.9", "at_least: 0.8"))

    def train(number: int) -> None:
        """Run the commands of the job for the next version."""
        (place.cwd / "train.csv").write_text(f"amount\n{number}\n")
        (place.cwd / "model" / "model.json").write_text(f'{{"weights": [{number}]}}')
        for step in yaml.safe_load(workflow)["jobs"]["train"]["steps"]:
            account = "ci-bias" if "BIAS" in step.get("env", {}).get("REGISTRY_TOKEN", "") else "ci-fraud"
            for line in step.get("run", "").splitlines():
                if line.startswith("registry "):
                    known = line.replace("$VERSION", f"fraud:{number}").replace("$STATUS", "passed")
                    run(account, known.partition(" >")[0])

    printed = ""
    for kind, block in _BLOCK.findall(PAGE):
        if kind == "text":
            assert missing(block, printed) == []
            continue
        account, *lines = block.splitlines()
        if 'fraud:1 --to production --reason "Nov' in block or "--break-glass" in block:
            train(1 + ("fraud:2" in block))
        done = [run(account.removeprefix("# "), line) for line in lines]
        printed = "".join(one.out + one.err for one in done)
