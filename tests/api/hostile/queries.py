"""Query arguments: pages, cursors, filters, instants."""

from __future__ import annotations

# Every list, and whether it is one of history.
LISTS = [
    "/models", "/models/fraud/versions", "/models/fraud/versions/4/files", "/models/fraud/versions/4/metrics",
    "/models/fraud/versions/4/notes",
    "/models/fraud/versions/4/checks",
    "/models/fraud/policy/history", "/policy/history", "/models/fraud/versions/2/gates/history",
    "/models/fraud/aliases", "/models/fraud/aliases/champion/history", "/models/fraud/history",
    "/models/fraud/metrics",
    "/models/fraud/versions/2/history", "/audit", "/refusals", "/downloads", "/tokens", "/me/tokens", "/me/sessions",
    "/jobs",
    "/search/models", "/search/versions", "/audit/chains", "/audit/entries", "/models/fraud/tenures",
    "/inventory", "/changes",
    "/lineage/impact?version=fraud:1", "/holds", "/holds/1/versions", "/requests",
]  # fmt: skip
HISTORIES = ["/models/fraud/history", "/models/fraud/versions/2/history", "/audit", "/changes"]
UNPAGED = [
    "/compare", "/compare/file", "/models/fraud/versions/1/diff/2",
    "/models/fraud", "/models/fraud/versions/2", "/models/fraud/versions/2/lineage", "/models/fraud/stages", "/me",
    "/models/fraud/versions/2/files/model.bin", "/uploads/{upload}", "/models/fraud/evidence", "/audit/sealed",
    "/audit/00000000-0000-0000-0000-000000000000/proof", "/audit/00000000-0000-0000-0000-000000000000",
    "/models/fraud/history/verification",
    "/models/fraud/policy", "/policy", f"/policies/sha256:{'0' * 64}", "/models/fraud/versions/4/gates",
    "/models/fraud/versions/2/gates/history/00000000-0000-0000-0000-000000000000",
    "/models/fraud/versions/2/stage", "/models/fraud/rollback",
    "/attention", "/lineage/edges/1", "/models/fraud/versions/2/reproducibility", "/holds/1",
    "/requests/00000000-0000-4000-8000-000000000102",
    "/attention", "/lineage/edges/1", "/models/fraud/versions/2/lineage/export?format=prov",
]  # fmt: skip

LIMITS = [
    "0", "-1", "1001", "x", "1e9", "1000000000", "9" * 5000, "1.0", "5.5", "", "%20", "%205", "5%20", "+5", "%2B5",
    "0x5", "1_0", "null", "true", "%d9%a5", "%ef%bc%95", "%00", "5%00", "5%0a", "[]", "-0", "NaN", "05",
]  # fmt: skip

CURSORS = [
    ("text", "next"),
    ("empty", ""),
    ("number", "2"),
    ("not base 64", "%21%21%21"),
    ("no signature", "WzJd"),
    ("forged list", "WzJd.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("compressed bomb", ".eJztwTEBAAAAwqD1T20MH6AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.AAAA"),
    ("4 KB", "a" * 4096),
    ("non-ASCII", "%c3%a9"),
    ("not UTF-8", "%ff"),
    ("newline", "a%0a"),
    ("traversal", "../../etc/passwd"),
    ("SQL", "1'%20OR%20'1'='1"),
]

INSTANTS = [
    ("no zone", "2026-11-20T12:00:00"),
    ("date only", "2026-11-20"),
    ("time only", "12:00:00Z"),
    ("empty", ""),
    ("text", "yesterday"),
    ("seconds", "1763640000"),
    ("infinite", "Infinity"),
    ("month 13", "2026-13-01T00:00:00Z"),
    ("29 February", "2025-02-29T00:00:00Z"),
    ("hour 25", "2026-11-20T25:00:00Z"),
    ("year 0", "0000-01-01T00:00:00Z"),
    ("year 1, east", "0001-01-01T00:00:00%2B14:00"),
    ("year 9999, west", "9999-12-31T23:59:59-14:00"),
    ("year 10000", "10000-01-01T00:00:00Z"),
    ("negative year", "-0001-01-01T00:00:00Z"),
    ("unescaped plus", "2026-11-20T12:00:00+01:00"),
    ("zone by name", "2026-11-20T12:00:00Europe/Berlin"),
    ("offset of 99 hours", "2026-11-20T12:00:00%2B99:00"),
    ("NUL", "2026-11-20T12:00:00Z%00"),
    ("newline", "2026-11-20T12:00:00Z%0a"),
    ("SQL", "2026-11-20T12:00:00Z'--"),
    ("full-width", "%ef%bc%92026-11-20T12:00:00Z"),
    ("5 KB", "2" * 5000),
]

# Far, but instants all the same: nobody held anything then.
FAR = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00-14:00",
    "1900-01-01T00:00:00.000001Z",
    "1970-01-01T00:00:00%2B00:00",
]

# Filters that match nothing, because they are compared as they are.
LITERAL = [
    ("wildcard", "%25"), ("underscore", "_____"), ("quote", "'"), ("two quotes", "''"),
    ("SQL", "x'%20OR%20'1'='1"), ("statement", "';DROP%20TABLE%20models;--"), ("double quote", '%22'),
    ("backslash", "%5c"), ("format", "%25s%25(x)s"), ("braces", "%7b%7d"), ("not UTF-8", "%ff"),
    ("emoji", "%F0%9F%A6%8A"), ("another case", "FRAUD"), ("space", "%20"), ("list", "a,b"),
    ("regular expression", "(a%2B)%2B$"), ("newline", "fraud%0a"),
]  # fmt: skip
