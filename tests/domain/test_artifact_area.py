"""Paths of the artifact area, and how MLflow's sources name them."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import artifact_area
from registry.domain.errors import Malformed

MODEL = "m-" + "0a" * 16
HERE = ("registry.test", "10.0.0.1:5000", "ml.test/registry")

REFUSED = [
    "",
    "/",
    "/etc/passwd",
    "//host/share",
    "a//b",
    "a/",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a/./b",
    "..\\a",
    "a\\b",
    "C:/a",
    "C:a",
    "c:\\a",
    "file:/etc/passwd",
    "file:///etc/passwd",
    "s3://bucket/a",
    "%2e%2e/a",
    "%2E%2E/a",
    ".%2e/a",
    "%2e/a",
    "%252e%252e/a",
    "%25252e%25252e/a",
    "a%2f..%2fb",
    "a/%2e%2e%2fb",
    "%2fetc/passwd",
    "a%5c..%5cb",
    "..;/a",
    "..;x=1/a",
    "a/..;/b",
    "%2e%2e;/a",
    "..%3b/a",
    "a%00b",
    "a\x00b",
    "a\nb",
    "a\x7fb",
    "a%0ab",
    "a#b",
    "a%23b",
    "a?b",
    "a%3fb",
    "%43:/a",
    "a\u202eb",
    "a\ufffdb",
    "a%ffb",
    "a" * 1025,
    "\u00e9" * 513,
]
LEGAL = [
    "a",
    "a/b",
    "0/5c2e/artifacts/model/MLmodel",
    "..a/b",
    "a b/c+d",
    "100%",
    "50%off",
    "a%20b",
    "a;b",
    "Versions/a",
    "\u4e0d\u6b63.bin",
    "/".join(["a" * 255] * 4),
    "/".join("a" * 32),
]
# What earlier releases took: it can be read and deleted, and not written again.
EARLIER = ["...", "..a/b..", "ab:c", ".git/config", "con", "a%2fb", "-rf", "a" * 1024, "/".join("a" * 512)]


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(Malformed, match=r"^Invalid path"):
        artifact_area.require(path)


@pytest.mark.parametrize("path", LEGAL)
def test_a_plain_path_is_taken_as_it_is(path: str) -> None:
    assert artifact_area.require_writable(path) == path


@pytest.mark.parametrize("path", EARLIER)
def test_a_path_of_an_earlier_release_is_read_and_removed_but_not_written(path: str) -> None:
    assert artifact_area.require(path) == artifact_area.require_removable(path) == path
    with pytest.raises(Malformed, match=r"^Invalid path"):
        artifact_area.require_writable(path)


@given(st.text(max_size=40))
def test_what_is_taken_stays_within_however_often_it_is_decoded(path: str) -> None:
    if artifact_area.problem(path) is not None:
        return
    while True:
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))
        assert not set("\\#?\x00") & set(path)
        if (plain := unquote(path)) == path:
            return
        path = plain


@pytest.mark.parametrize("path", ["versions", "versions/a", "versions/x/1/a"])
def test_writes_to_the_folder_of_versions_are_refused(path: str) -> None:
    with pytest.raises(Malformed, match="never change"):
        artifact_area.require_writable(path)


@given(st.text("ab/.%0", min_size=1, max_size=12), st.text("ab/.%0", min_size=1, max_size=12))
def test_below_a_directory_is_what_begins_with_it_and_a_slash(path: str, directory: str) -> None:
    first, end = artifact_area.below(directory)

    assert (first.encode() <= path.encode() < end.encode()) == path.startswith(f"{directory}/")


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("mlflow-artifacts:/0/run/artifacts/m", "0/run/artifacts/m"),
        ("mlflow-artifacts:///0/m", "0/m"),
        ("mlflow-artifacts://registry.test/0/m", "0/m"),
        ("mlflow-artifacts://10.0.0.1:5000/0/m", "0/m"),
        ("mlflow-artifacts://ml.test/0/m", "0/m"),
        ("mlflow-artifacts://10.0.0.1/0/m", None),
        ("mlflow-artifacts://elsewhere.test/0/m", None),
        ("http://registry.test/api/2.0/mlflow-artifacts/artifacts/0/m", "0/m"),
        ("https://registry.test/api/2.0/mlflow-artifacts/artifacts/0/m/", "0/m"),
        ("https://REGISTRY.test:443/api/2.0/mlflow-artifacts/artifacts/0/m", "0/m"),
        ("http://registry.test:8080/api/2.0/mlflow-artifacts/artifacts/0/m", None),
        ("http://10.0.0.1:5000/api/2.0/mlflow-artifacts/artifacts/0/m", "0/m"),
        ("https://ml.test/registry/api/2.0/mlflow-artifacts/artifacts/0/m", "0/m"),
        ("https://ml.test/api/2.0/mlflow-artifacts/artifacts/0/m", None),
        ("https://ml.test/mlflow/api/2.0/mlflow-artifacts/artifacts/0/m", None),
        ("http://registry.test/api/2.0/mlflow-artifacts/artifacts", ""),
        ("http://registry.test/api/2.0/mlflow-artifacts/artifactsX/m", None),
        ("http://registry.test/other/0/m", None),
        ("http://user@registry.test/api/2.0/mlflow-artifacts/artifacts/0/m", None),
        ("http://registry.test@evil.test/api/2.0/mlflow-artifacts/artifacts/0/m", None),
        ("http://registry.test/api/2.0/mlflow-artifacts/artifacts/0/m?x=1", None),
        ("mlflow-artifacts:/0/m#x", None),
        ("mlflow-artifacts:/0/my model", "0/my model"),
        ("mlflow-artifacts:/0/my%20model", "0/my model"),
        ("s3://bucket/0/m", None),
        ("runs:/0/m", None),
        ("/0/m", None),
        ("http://[", None),
        ("", None),
    ],
)
def test_a_source_of_ours_is_known_by_its_address(source: str, path: str | None) -> None:
    assert artifact_area.path_in(source, hosts=HERE) == path


@given(st.text("abc/ %+\u00e9\U0001f98a", min_size=1, max_size=20))
def test_a_path_is_found_however_its_address_is_quoted(path: str) -> None:
    if artifact_area.problem(path) is not None:
        return
    quoted = f"http://registry.test{artifact_area.ROOT}/{quote(path)}"

    assert artifact_area.path_in(quoted, hosts=HERE) == path


def test_a_logged_model_is_known_by_the_path_of_its_files() -> None:
    path = f"0/models/{MODEL}/artifacts/data/model.pkl"

    assert artifact_area.logged_model(path) == MODEL
    assert artifact_area.logged_model_root(path) == f"0/models/{MODEL}/artifacts"
    assert artifact_area.logged_model(f"models/{MODEL}/artifacts/MLmodel") == MODEL
    for other in (f"0/models/{MODEL}", f"0/xmodels/{MODEL}/artifacts/a", f"0/models/{MODEL}0/artifacts/a", "0/a"):
        assert artifact_area.logged_model(other) is None


@pytest.mark.parametrize(
    ("source", "model"),
    [
        (f"models:/{MODEL}", MODEL),
        (f"models:///{MODEL}", MODEL),
        (f"models:/{MODEL}/1", None),
        ("models:/fraud/1", None),
        (f"models:/{MODEL}0", None),
        (f"models:/{MODEL.upper()}", None),
    ],
)
def test_a_source_may_name_a_logged_model(source: str, model: str | None) -> None:
    assert artifact_area.logged_model_named(source) == model


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("versions/00000000-0000-4000-8000-00000000000a/3", (3, "")),
        ("versions/00000000-0000-4000-8000-00000000000a/3/a/b", (3, "a/b")),
        ("versions/00000000-0000-4000-8000-00000000000A/3", None),
        ("versions/00000000-0000-4000-8000-00000000000a/03", None),
        ("versions/00000000-0000-4000-8000-00000000000a/0", None),
        ("versions/00000000-0000-4000-8000-00000000000a/\u0663", None),
        ("versions/00000000-0000-4000-8000-00000000000a/2147483648", None),
        ("versions/00000000-0000-4000-8000-00000000000a", None),
        ("x/00000000-0000-4000-8000-00000000000a/3", None),
    ],
)
def test_a_path_of_the_view_names_a_version(path: str, shown: tuple[int, str] | None) -> None:
    found = artifact_area.version_path(path)

    assert (found and (found.number, found.path)) == shown
