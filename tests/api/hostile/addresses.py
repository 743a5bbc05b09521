"""Addresses that name nothing, and parts of addresses that cannot name anything."""

from __future__ import annotations

from tests.api.hostile.case import Case

# In place of a model's name: (what, part, whether a model could have it).
MODELS = [
    ("unknown", "nobody", True),
    ("another case", "Fraud", True),
    ("NUL", "fraud%00", False),
    ("encoded parent", "%2e%2e", False),
    ("encoded dot", "%2e", False),
    ("twice encoded slash", "fraud%252Fversions", True),
    ("encoded backslash", "..%5c..%5cetc", True),
    ("colon", "fraud:1", False),
    ("newline", "fraud%0a", False),
    ("header injection", "fraud%0d%0aX-Evil:%201", False),
    ("5 KB", "a" * 5000, False),
    ("257 characters", "a" * 257, False),
    ("255 emoji", "%F0%9F%A6%8A" * 255, True),
    ("not UTF-8", "%ff%fe", True),
    ("surrogate in UTF-8", "%ed%a0%80", True),
    ("overlong", "%c0%ae%c0%ae", True),
    ("decomposed", "cafe%CC%81", False),
    ("zero-width space", "fraud%e2%80%8b", False),
    ("leading space", "%20fraud", False),
    ("SQL", "x'%20OR%20'1'='1", True),
    ("wildcard", "%25", True),
    ("format", "%25s%25n{{0}}", True),
    ("half an escape", "%zz", True),
    ("semicolon", "fraud;v=1", True),
]

NUMBERS = [
    ("zero", "0"),
    ("negative", "-1"),
    ("leading zero", "01"),
    ("plus", "+1"),
    ("fraction", "1.0"),
    ("exponent", "1e0"),
    ("hexadecimal", "0x1"),
    ("underscore", "1_0"),
    ("above int4", "2147483648"),
    ("above int8", "9223372036854775808"),
    ("5,000 digits", "9" * 5000),
    ("text", "latest"),
    ("NUL", "1%00"),
    ("newline", "1%0a"),
    ("space", "%201"),
    ("Arabic digit", "%d9%a1"),
    ("full-width digit", "%ef%bc%91"),
    ("superscript", "%c2%b2"),
    ("unused", "99"),
    ("largest", "2147483647"),
]

# Every address below a version, by method.
BELOW_A_VERSION = [
    ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restore"), ("POST", "/metrics"), ("GET", "/metrics"),
    ("POST", "/notes"), ("GET", "/notes"), ("POST", "/checks"), ("GET", "/checks"),
    ("GET", "/lineage"), ("PUT", "/stage"), ("GET", "/files"), ("GET", "/files/model.bin"), ("GET", "/history"),
]  # fmt: skip
BELOW_A_MODEL = [
    ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restore"), ("POST", "/versions"), ("GET", "/versions"),
    ("POST", "/imports"), ("POST", "/rollback"), ("GET", "/stages"), ("GET", "/stages/production"), ("GET", "/aliases"),
    ("PUT", "/aliases/champion"), ("GET", "/aliases/champion"), ("DELETE", "/aliases/champion"),
    ("GET", "/aliases/champion/history"), ("GET", "/history"),
]  # fmt: skip

# Good bodies, so that only the address is at fault.
BODY = {
    "/metrics": {"metrics": {"a": 1}},
    "/notes": {"text": "why"},
    "/checks": {"name": "bias-audit", "status": "passed"},
    "/stage": {"stage": "staging", "reason": "why"},
    "/rollback": {"reason": "why"},
    "/versions": {"files": [{"path": "a", "size": 5, "sha256": "ef" * 32}]},
    "/imports": {"source": "https://sources.test/models/fraud.bin"},
    "/aliases/champion": {"version": 1},
}

FILES = [
    ("unknown", "nothing.bin"),
    ("encoded parent", "%2e%2e/%2e%2e/etc/passwd"),
    ("twice encoded parent", "%252e%252e/model.bin"),
    ("absolute", "/etc/passwd"),
    ("encoded slash first", "%2Fetc%2Fpasswd"),
    ("NUL", "model.bin%00.txt"),
    ("newline", "model.bin%0a"),
    ("backslash", "data%5Ctrain"),
    ("two slashes", "data//train%20set.csv"),
    ("trailing slash", "data/"),
    ("directory", "data"),
    ("another case", "MODEL.bin"),
    ("1,025 bytes", "a" * 1025),
    ("not UTF-8", "%ff"),
    ("dot", "./model.bin"),
]

ALIASES = [
    ("unknown", "nobody"),
    ("latest", "latest"),
    ("number", "1"),
    ("version", "v1"),
    ("stage", "production"),
    ("stage in capitals", "Production"),
    ("space", "a%20b"),
    ("dot", "a.b"),
    ("NUL", "a%00"),
    ("newline", "champion%0a"),
    ("256 characters", "a" * 256),
    ("non-ASCII", "%c3%a9"),
    ("another case", "Champion"),
]

IDENTIFIERS = [
    ("zero", "00000000-0000-0000-0000-000000000000"),
    ("no dashes", "00000000000000000000000000000000"),
    ("braces", "%7b00000000-0000-0000-0000-000000000000%7d"),
    ("newline", "00000000-0000-0000-0000-000000000000%0a"),
    ("text", "latest"),
    ("number", "1"),
    ("NUL", "%00"),
    ("5 KB", "a" * 5000),
]

ELSEWHERE = [
    Case("nowhere", "GET", "/nothing", 404, "not_found"),
    Case("nowhere, no token", "GET", "/nothing", 404, "not_found", token=None),
    Case("trailing slash", "GET", "/models/", 404, "not_found"),
    Case("trailing slash of a model", "GET", "/models/fraud/", 404, "not_found"),
    Case("two slashes", "GET", "/models//versions", 404, "not_found"),
    Case("two slashes first", "GET", "//api/v1/models", 404, "not_found"),
    Case("another version", "GET", "/../v2/models", 404, "not_found"),
    Case("dots to an asset", "GET", "/docs/%2e%2e/%2e%2e/app.py", 404, "not_found", token=None),
    Case("dots to a package's file", "GET", "/docs/../__init__.py", 404, "not_found", token=None),
    Case("stage that is none", "GET", "/models/fraud/stages/none", 404, "not_found"),
    Case("stage in capitals", "GET", "/models/fraud/stages/Production", 404, "not_found"),
    Case("stage that nobody holds", "GET", "/models/empty/stages/production", 404, "not_found"),
    Case("another case of the address", "GET", "/Models", 404, "not_found"),
    Case("TRACE", "TRACE", "/models", 405, "method_not_allowed"),
    Case("CONNECT", "CONNECT", "/models", 405, "method_not_allowed"),
    Case("unknown method", "BREW", "/models", 405, "method_not_allowed"),
    Case("PROPFIND", "PROPFIND", "/models/fraud", 405, "method_not_allowed"),
    Case("long method", "A" * 4000, "/models", 405, "method_not_allowed"),
    Case("PUT on a list", "PUT", "/models", 405, "method_not_allowed", json={}),
    Case("POST on a stage", "POST", "/models/fraud/versions/1/stage", 405, "method_not_allowed", json={}),
    Case("DELETE of history", "DELETE", "/audit", 405, "method_not_allowed"),
    Case("PATCH of history", "PATCH", "/models/fraud/history", 405, "method_not_allowed", json={}),
    Case("PUT of a version", "PUT", "/models/fraud/versions/1", 405, "method_not_allowed", json={}),
    Case("PUT of files", "PUT", "/models/fraud/versions/1/files/model.bin", 405, "method_not_allowed"),
    Case("POST to a probe", "POST", "/livez", 405, "method_not_allowed", token=None),
    Case("TRACE of a probe", "TRACE", "/livez", 405, "method_not_allowed", token=None),
    Case("no token, unknown method", "BREW", "/models", 405, "method_not_allowed", token=None),
]
