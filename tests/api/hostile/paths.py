"""Paths, sizes and digests of a manifest."""

from __future__ import annotations

from typing import Any

REFUSED: list[tuple[str, Any]] = [
    ("A034 absolute", "/etc/passwd"),
    ("A034 two slashes", "//server/share"),
    ("A035 parent", ".."),
    ("A035 parent first", "../a"),
    ("A035 parent inside", "a/../b"),
    ("A035 parent last", "a/.."),
    ("A035 dot", "."),
    ("A035 dot inside", "a/./b"),
    ("A035 empty part", "a//b"),
    ("A035 trailing slash", "a/"),
    ("A036 backslash", "a\\b"),
    ("A036 Windows parent", "..\\..\\a"),
    ("A036 drive", "C:\\a"),
    ("A036 share", "\\\\server\\share"),
    ("A037 file URL", "file:///etc/passwd"),
    ("A037 web URL", "http://evil.test/a"),
    ("A037 S3 URL", "s3://bucket/a"),
    ("A041 NUL-like control", "a\x01b"),
    ("A041 newline", "a\nb"),
    ("A041 trailing newline", "a\n"),
    ("A041 tab", "a\tb"),
    ("A041 escape", "\x1b[2Ja"),
    ("A041 delete", "a\x7f"),
    ("A041 right-to-left override", "gpj.\u202eexe"),
    ("A041 zero-width space", "a\u200b"),
    ("A041 line separator", "a\u2028b"),
    ("A043 1,025 bytes", "a" * 1025),
    ("A043 1,025 bytes in fewer characters", "\u00e9" * 512 + "a"),
    ("A043 a million bytes", "a/" * 500_000 + "a"),
    ("A001 empty", ""),
    ("A030 null", None),
    ("A030 number", 5),
    ("A030 list", ["a"]),
    ("A030 object", {"a": "b"}),
]

LEGAL: list[tuple[str, str]] = [
    ("A035 encoded parent", "%2e%2e/a"),
    ("A035 twice encoded parent", "%252e%252e%252fa"),
    ("A035 parent with parameter", "..;/a"),
    ("A035 three dots", ".../a"),
    ("A036 colon", "C:a"),
    ("A038 trailing dot", "a."),
    ("A038 trailing space", "a "),
    ("A038 leading space", " a"),
    ("A039 device", "con"),
    ("A039 device with suffix", "aux/nul.txt"),
    ("A040 division slash", "a\u2215b"),
    ("A040 full-width slash", "a\uff0fb"),
    ("A041 repository", ".git/config"),
    ("A042 leading hyphen", "-rf"),
    ("A043 1,024 bytes", "a" * 1024),
    ("A043 deep", "/".join("a" * 200)),
    ("A015 question mark, hash, percent", "a?b#c%d"),
    ("A015 plus, ampersand, quotes", "a+b&c\"d'e"),
    ("A018 decomposed", "cafe\u0301"),
    ("A021 emoji", "\U0001f98a/\u4e0d\u6b63.bin"),
]

LINE = {"path": "a", "size": 5, "sha256": "ab" * 32}

# Pairs that cannot stand side by side; the error names the line.
CLASHES: list[tuple[str, list[str]]] = [
    ("A044 case", ["A", "a"]),
    ("A044 case of a directory's file", ["data/A", "data/a"]),
    ("A044 sharp s", ["stra\u00dfe", "STRASSE"]),
    ("A044 composed and decomposed", ["caf\u00e9", "cafe\u0301"]),
    ("A044 the same twice", ["a", "a"]),
    ("A045 file and directory", ["a", "a/b"]),
    ("A045 directory and file", ["a/b/c", "a/b"]),
    ("A045 in another case", ["A", "a/b"]),
]

SIZES: list[tuple[str, Any]] = [
    ("A047 negative", -1),
    ("A047 text", "5"),
    ("A047 fraction", 5.0),
    ("A047 true", True),
    ("A047 null", None),
    ("A047 list", [5]),
    ("A047 far below zero", -(2**53) + 1),
]

HUGE_SIZES: list[tuple[str, bytes]] = [
    ("A047 2^53", b"9007199254740992"),
    ("A047 2^63", b"9223372036854775808"),
    ("A047 5,000 digits", b"9" * 5000),
    ("A047 infinite", b"1e400"),
]

DIGESTS: list[tuple[str, Any]] = [
    ("A048 upper case", "AB" * 32),
    ("A048 63 digits", "a" * 63),
    ("A048 65 digits", "a" * 65),
    ("A048 not hexadecimal", "g" * 64),
    ("A048 SHA-1", "a" * 40),
    ("A048 with its name", "sha256:" + "a" * 64),
    ("A048 trailing newline", "a" * 64 + "\n"),
    ("A048 leading space", " " + "a" * 64),
    ("A048 full-width digits", "\uff11" * 64),
    ("A048 empty", ""),
    ("A048 null", None),
    ("A048 number", 5),
    ("A048 list", ["a" * 64]),
]

MEDIA_TYPES: list[tuple[str, Any]] = [
    ("A154 trailing newline", "text/plain\n"),
    ("A154 header injection", "text/plain\r\nX-Evil: 1"),
    ("A154 no slash", "text"),
    ("A154 parameter", "text/html; charset=utf-7"),
    ("A154 empty", ""),
    ("A154 null", None),
    ("A154 non-ASCII", "text/pl\u00e4in"),
    ("A154 long", "a/" + "b" * 128),
    ("A154 number", 5),
]
