from __future__ import annotations

import os
from pathlib import Path

import pytest

from registry.client import errors
from registry.client.files import scan
from registry.client.files.selection import Selection
from tests.api.hostile import paths
from tests.client.conftest import sha256


def test_a_directory_is_its_files_in_the_order_of_their_paths(source: Path) -> None:
    (source / "weights-old").write_bytes(b"")

    files = scan.hashed(scan.scan(source), jobs=2, progress=None)

    assert [(file.path, file.size, file.sha256) for file in files] == [
        ("MLmodel", 12, sha256(b"flavors: {}\n")),
        ("weights-old", 0, sha256(b"")),
        ("weights/model.bin", 2000, sha256(b"\x00\x01" * 1000)),
    ]


def test_a_file_is_registered_under_its_own_name(source: Path) -> None:
    assert [file.path for file in scan.scan(source / "weights" / "model.bin")] == ["model.bin"]


def test_a_link_inside_the_directory_counts_as_what_it_leads_to(source: Path) -> None:
    (source / "latest.bin").symlink_to("weights/model.bin")
    (source / "copy").symlink_to("weights")

    assert [file.path for file in scan.scan(source)] == [
        "MLmodel",
        "copy/model.bin",
        "latest.bin",
        "weights/model.bin",
    ]


def test_the_directory_itself_may_be_a_link(source: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(source)

    assert [file.path for file in scan.scan(tmp_path / "current")] == ["MLmodel", "weights/model.bin"]


@pytest.mark.parametrize(
    ("link", "target", "says"),
    [
        ("passwd", "/etc/passwd", "leaves the directory"),
        ("up", "../secret", "leaves the directory"),
        ("etc", "/etc", "leaves the directory"),
        ("dead", "nowhere", "leads nowhere"),
        ("self", "self", "leads nowhere"),
        ("weights/loop", "..", "a directory that it is in"),
        ("zero", "/dev/zero", "leaves the directory"),
    ],
)
def test_a_link_that_leads_elsewhere_is_refused(source: Path, link: str, target: str, says: str) -> None:
    (source.parent / "secret").write_text("s")
    (source / link).symlink_to(target)

    with pytest.raises(errors.UnfitSource, match=f"{link}.*{says}"):
        scan.scan(source)


def test_a_pipe_is_refused_and_not_waited_for(source: Path) -> None:
    os.mkfifo(source / "pipe")

    with pytest.raises(errors.UnfitSource, match="pipe: it is a device, a pipe or a socket"):
        scan.scan(source)


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model" / "nested").mkdir(parents=True)

    with pytest.raises(errors.UnfitSource, match="is empty"):
        scan.scan(tmp_path / "model")


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.UnfitSource, match="cannot be read"):
        scan.scan(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"bad\xff", "must be UTF-8"),
        (b"line\nbreak", r"U\+000A"),
        ("rtl\u202egpj".encode(), r"U\+202E"),
        ("zero\u200bwidth".encode(), r"U\+200B"),
        (b"back\\slash", "backslash"),
    ],
)
def test_a_name_that_the_registry_would_refuse_is_refused_here(source: Path, name: bytes, says: str) -> None:
    (source / os.fsdecode(name)).write_bytes(b"")

    with pytest.raises(errors.UnfitSource, match=says):
        scan.scan(source)


def test_two_names_that_differ_only_in_case_are_refused(source: Path) -> None:
    (source / "mlMODEL").write_bytes(b"")

    with pytest.raises(errors.UnfitSource, match="where case does not count"):
        scan.scan(source)


@pytest.mark.parametrize("path", [path for _, path in paths.HARMFUL if max(map(len, path.encode().split(b"/"))) < 256])
def test_a_file_that_would_harm_who_downloads_it_is_not_registered(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"")

    with pytest.raises(errors.UnfitSource, match="Rename it, or leave it out"):
        scan.scan(tmp_path)


def test_what_is_left_out_does_no_harm(source: Path) -> None:
    (source / ".git").mkdir()
    (source / ".git" / "config").write_bytes(b"[core]")

    found = scan.scan(source, Selection(exclude=(".git/",)))

    assert [file.path for file in found] == ["MLmodel", "weights/model.bin"]


def test_files_that_make_a_repository_are_not_registered(tmp_path: Path) -> None:
    for path in ("m/HEAD", "m/config", "m/objects/a", "m/refs/a"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")

    with pytest.raises(errors.UnfitSource, match="'m/HEAD' makes its directory a git repository"):
        scan.scan(tmp_path)


def test_a_file_that_changes_while_it_is_hashed_is_an_error(source: Path) -> None:
    big = source / "weights" / "model.bin"
    big.write_bytes(b"x" * (3 * scan.CHUNK))

    def grow(step: str, done: int, total: int) -> None:
        if done:  # the first chunk of the only file
            with big.open("ab") as file:
                file.write(b"y")

    with pytest.raises(errors.SourceChanged, match=r"model\.bin changed while"):
        scan.hashed(scan.scan(source / "weights"), jobs=1, progress=grow)


def test_a_file_that_is_replaced_before_it_is_hashed_is_an_error(source: Path) -> None:
    found = scan.scan(source)
    (source / "MLmodel").write_bytes(b"flavors: []\n")

    with pytest.raises(errors.SourceChanged, match="MLmodel changed"):
        scan.hashed(found, jobs=2, progress=None)


def test_hashing_reports_every_byte(source: Path) -> None:
    reports: list[tuple[str, int, int]] = []

    scan.hashed(scan.scan(source), jobs=2, progress=lambda *report: reports.append(report))

    assert reports[0] == ("hash", 0, 2012)
    assert reports[-1] == ("hash", 2012, 2012)


@pytest.mark.parametrize("size", [0, 1, scan.PART, scan.SINGLE, scan.SINGLE + 1, 5 * scan.PART])
def test_a_large_file_is_hashed_as_a_whole_and_in_parts(tmp_path: Path, size: int) -> None:
    pattern = bytes(range(251)) * (scan.PART // 251 + 1)
    content = (pattern * (size // len(pattern) + 1))[:size]
    (tmp_path / "model.bin").write_bytes(content)

    (file,) = scan.hashed(scan.scan(tmp_path), jobs=2, progress=None, parts=True)

    in_parts = [content[at : at + scan.PART] for at in range(0, size, scan.PART)] if size > scan.SINGLE else []
    assert (file.sha256, file.parts) == (sha256(content), tuple(map(sha256, in_parts)))
