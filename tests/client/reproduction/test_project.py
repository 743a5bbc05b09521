"""Files ``MLproject`` and ``python_env.yaml``, also hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.client.reproduction import project

WHOLE = b"""
name: fraud
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      data: path
      depth: {type: float, default: 6}
      label: {type: string, default: "a b"}
      rounds: {type: int, default: 3}
    command: >
      python train.py {data}
      --depth {depth} --label {label} --again {depth} --rounds {rounds}
  score: {command: "python score.py"}
"""


def test_a_project_gives_a_command_with_quoted_parameters() -> None:
    found = project.parse(WHOLE)

    assert (found.name, found.python_file, list(found.entry_points)) == ("fraud", "python_env.yaml", ["main", "score"])
    assert project.command(found, {"data": "it's; rm -rf /", "unknown": "x"}) == (
        """python train.py 'it'"'"'s; rm -rf /' --depth 6 --label 'a b' --again 6 --rounds 3"""
    )
    assert project.command(found, {}, "score") == "python score.py"
    with pytest.raises(ValueError, match="needs parameters without a value: data"):
        project.command(found, {})
    with pytest.raises(ValueError, match="has no entry point 'none'; it has main, score"):
        project.command(found, {}, "none")
    environment = project.python_environment(b"python: 3.11.9\nbuild_dependencies: [pip]\ndependencies: [-r r.txt]")
    assert (environment.python, environment.dependencies) == ("3.11.9", ["pip", "-r r.txt"])


@pytest.mark.parametrize(
    "content",
    [
        b"entry_points: {main: {command: !!python/object/apply:os.system [id]}}",
        b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(3)) + b"entry_points: *b2",
        b"entry_points: " + b"[" * 20_000,
        b"name: " + b"x" * project.MOST_BYTES,
        b"[]", b"\xff\xfe", b"{", b"entry_points: {main: {}}", b"entry_points: {main: {command: [x]}}",
        b"entry_points: {main: {command: x, parameters: {a: {type: [int]}}}}",
        b"entry_points: {main: {command: x, parameters: {a: {type: float, default: x}}}}",
        b"conda_env: c.yaml\npython_env: p.yaml", b"docker_env: image", b"entry_points: {main: &m {command: *m}}",
    ],
)  # fmt: skip
def test_a_hostile_project_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        project.parse(content)


@settings(max_examples=50)
@given(st.binary(max_size=60) | st.text(alphabet="{}[]:&*!-# \nab", max_size=60).map(str.encode))
def test_any_bytes_are_a_project_or_a_value_error(content: bytes) -> None:
    for parse in (project.parse, project.python_environment):
        try:
            parse(content)
        except ValueError:
            continue
