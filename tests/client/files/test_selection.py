from __future__ import annotations

from pathlib import Path

import pytest

from registry.client import errors
from registry.client.files import scan
from registry.client.files.selection import Selection

FILES = ["MLmodel", "a.tmp", "logs/keep.tmp", "logs/today", "weights/b.tmp", "weights/model.bin", "weights/old/c.bin"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    return tmp_path


def selected(source: Path, *ignored: str, **patterns: tuple[str, ...]) -> list[str]:
    if ignored:
        (source / ".registryignore").write_text("\n".join(ignored) + "\n")
    return [file.path for file in scan.scan(source, Selection(**patterns))]


@pytest.mark.parametrize(
    ("ignored", "kept"),
    [
        (("# a comment", ""), FILES),
        (("*.tmp",), ["MLmodel", "logs/today", "weights/model.bin", "weights/old/c.bin"]),
        (("/*.tmp",), [name for name in FILES if name != "a.tmp"]),
        (("logs/", "old"), ["MLmodel", "a.tmp", "weights/b.tmp", "weights/model.bin"]),
        (("*.tmp", "!keep.tmp"), [name for name in FILES if name not in {"a.tmp", "weights/b.tmp"}]),
        (("logs/", "!logs/keep.tmp"), [name for name in FILES if not name.startswith("logs/")]),
        (("weights/**/c.bin",), FILES[:-1]),
        (("*", "!MLmodel"), ["MLmodel"]),
    ],
)
def test_the_ignore_file_is_read_as_git_would(source: Path, ignored: tuple[str, ...], kept: list[str]) -> None:
    assert selected(source, *ignored) == kept


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        ({"include": ("*.bin",)}, ["weights/model.bin", "weights/old/c.bin"]),
        ({"include": ("*.bin", "MLmodel"), "exclude": ("old/",)}, ["MLmodel", "weights/model.bin"]),
        ({"include": ("weights/",)}, ["weights/b.tmp", "weights/model.bin", "weights/old/c.bin"]),
        ({"exclude": ("*.tmp",)}, ["MLmodel", "logs/today", "weights/model.bin", "weights/old/c.bin"]),
    ],
)
def test_patterns_choose_among_the_files(source: Path, patterns: dict[str, tuple[str, ...]], kept: list[str]) -> None:
    assert selected(source, **patterns) == kept


def test_what_the_ignore_file_drops_cannot_be_included(source: Path) -> None:
    assert selected(source, "*.tmp", include=("*.tmp", "MLmodel")) == ["MLmodel"]


def test_an_ignored_link_may_lead_anywhere(source: Path) -> None:
    (source / "passwd").symlink_to("/etc/passwd")
    (source / "venv").symlink_to("/usr")
    (source / "dead").symlink_to("nowhere")

    assert selected(source, "passwd", "venv/", "dead") == FILES


def test_an_ignore_file_below_the_top_is_a_file_like_others(source: Path) -> None:
    (source / "logs" / ".registryignore").write_text("*\n")

    assert "logs/.registryignore" in selected(source)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\\"])
def test_an_ignore_file_that_cannot_be_read_is_refused(source: Path, content: bytes) -> None:
    (source / ".registryignore").write_bytes(content)

    with pytest.raises(errors.UnfitSource):
        selected(source)


def test_an_ignore_file_that_leads_elsewhere_is_refused(source: Path) -> None:
    (source / ".registryignore").symlink_to("/etc/hosts")

    with pytest.raises(errors.UnfitSource, match="leaves the directory"):
        selected(source)


def test_nothing_left_to_register_is_refused(source: Path) -> None:
    with pytest.raises(errors.UnfitSource, match="nothing in it is selected"):
        selected(source, "*")


def test_patterns_are_for_directories(source: Path) -> None:
    with pytest.raises(errors.UnfitSource, match="is a file"):
        selected(source / "MLmodel", include=("*.bin",))
