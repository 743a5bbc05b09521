"""Searches to put to MLflow and to us, the models and versions to search, and where the answers are to differ."""

from __future__ import annotations

import itertools
import random
from typing import Any

PROMPT = "mlflow.prompt.is_prompt"
TAG = f"tags.`{PROMPT}`"

_SOME_TIME = 1_700_000_000_000
MODELS: list[dict[str, Any]] = [
    {"name": name, "tags": tags, "revised_ms": _SOME_TIME + revised}
    for name, tags, revised in [
        ("a", {"a": "x", "b c": "1"}, 5),
        ("Cap", {"a": "X"}, 9),
        ("b", {}, 5),
        ("B_b", {"a": "y", "a.b": "x"}, 7),
        ("Bxb", {"a": "100%", "note": "it's"}, 7),
        ("50% [of] *?", {"a": ""}, 1),
        ("ünï", {"a": "Ü"}, 2),
        ("back\\slash", {"a": "\\", "note": 'say "x"'}, 3),
        ("greeting", {PROMPT: "true", "a": "x"}, 8),
        ("no greeting", {PROMPT: "false", "a": "x"}, 8),
        ("loud", {PROMPT: "TRUE"}, 4),
        ("sibling", {}, 6),
    ]
]
_VERSIONS = [
    ("a", "s3://bucket/a", "r1", {"a": "x"}, 1, 9),
    ("a", "S3://bucket/A", "r2", {"a": "X", "b c": "1"}, 2, 9),
    ("a", "mlflow-artifacts:/0/a", "", {}, 2, 3),
    ("Cap", "s3://bucket/a", "r1", {"a": "y", "a.b": "x"}, 4, 9),
    ("b", "s3://bucket/50%", "R1", {"a": "100%"}, 4, 1),
    ("B_b", "s3://bucket/_", "r_1", {"a": "it's"}, 5, 5),
    ("Bxb", "s3://bucket/[x]*?", "", {"a": "a\\b", "note": "é"}, 5, 5),
    ("ünï", "s3://bucket/ü", "ü", {"a": ""}, 6, 6),
    ("greeting", "dummy-source", "", {PROMPT: "true", "a": "x"}, 7, 8),
    ("greeting", "dummy-source", "", {PROMPT: "true"}, 7, 7),
    ("no greeting", "dummy-source", "", {PROMPT: "false"}, 7, 7),
    ("loud", "dummy-source", "", {PROMPT: "TRUE"}, 8, 8),
    ("sibling", "s3://bucket/s", "r1", {PROMPT: "true"}, 8, 8),
    ("sibling", "s3://bucket/s", "r1", {"a": "x"}, 8, 8),
]
VERSIONS: list[dict[str, Any]] = [
    {"model": model, "number": 1 + sum(other[0] == model for other in _VERSIONS[:index]), "source": source,
     "run_id": run_id, "tags": tags, "created_ms": _SOME_TIME + created, "revised_ms": _SOME_TIME + revised}
    for index, (model, source, run_id, tags, created, revised) in enumerate(_VERSIONS)
]  # fmt: skip

KEYS = ["name", "run_id", "source_path", "version_number", "tags.a", "tags.`b c`", "tag.a.b", 'tags."a"',
        "attribute.name", TAG, "stage", "attribute.version_number", "params.a"]  # fmt: skip
OPERATORS = ["=", "!=", "LIKE", "ilike", "IN", "not in", ">", "<=", "NOT LIKE", "=="]
VALUES = ["'a'", '"A"', "'x'", "'%'", "'_'", "'B_b'", "'b%'", "'%[%'", "'%*%'", "''", "'true'", "'false'", "'Ü'",
          "'\\'", "\"it's\"", "'r_1'", "'s3://bucket/%'", "1", "2.5", "'1'", "('a')", "('a', \"Cap\")", "('r1','')",
          "()", "(1)", "x"]  # fmt: skip

# Written by hand: tolerances, refusals, quoting, what people try.
_BY_LINE = r"""
name = 'a' AND
AND name = 'a'
AND AND
name='a'AND name='a'
name = 'a' name != 'b'
name LIKE 'B%' and tags.a = 'y' AND
name IN ('a', "b",)
name IN('a')
name in ( 'a' , 'b' )
name not  in ('a')
name IN ('a') name IN ('b')
name IN ('a') AND name IN ('a', 'b')
name IN ('a') name != 'b'
name = 'a' name IN ('b')
name = 'a' tags.x IN ('b')
foo name IN ('a')
run_id NOT IN ('r1')
run_id = 'r1' AND run_id IN ('r1')
name = 'a' OR name = 'b'
(name = 'a')
((name = 'a'))
NOT name = 'a'
name = 'a' AND (tags.a = 'x')
tags.a-b = 'x'
name IN ('a'
name IN (,)
name IN ('a',,'b')
name IN ('a', 1)
name IN (a)
name IN ('a', NULL)
name IN ["a"]
name IN (('a'))
name IN ('a' 'b')
name IN ('a'; 'b')
name IN (b'a')
name IN ("it's", 'say "x"')
name IN 'a'
name NOT 'a'
name = 'a';
name = 'a'; name = 'b'
;
name = 'x'; DROP TABLE models; --
name = 'x' OR 1=1
name = 'a' -- comment
name = 'a' # comment
name = 'a' /* comment */
name /* comment */ = 'a'
tags.a IS NULL
tags.a IS NOT NULL
name NOT NULL
name IS 'a'
name
'a'
name =
= 'a'
foo bar
foo bar baz
foo name = 'a'
name = 'a' foo
name BETWEEN 'a' AND 'b'
name RLIKE 'a'
name <> 'a'
name !== 'a'
name ~ 'a'
name = "a"
name = `a`
name = NULL
NULL = 'a'
name = ?
name = :x
name = @x
name = $1
name = foo('a')
foo('a') = 'b'
name = ('a')
name = a.b
name = "a".b
name = 'a''b'
name = 'a\'b'
name = 'back\slash'
name = 'a\'
name = '
name = 'a
name = "a
`name` = 'a'
"name" = 'a'
attributes.name = 'a'
attribute."name" = 'a'
Attribute.name = 'a'
NAME = 'a'
tags.'a' = 'x'
tags. a = 'x'
tags .a = 'x'
`tags.a` = 'x'
tags.`` = 'x'
tags. = 'x'
tags.mlflow.source.git.commit = 'x'
tags.user = 'x'
tags.order = 'x'
tags.in = 'x'
tags.and = 'x'
tags.1abc = 'x'
tags.5 = 'x'
tags._x = 'x'
tags.é = 'x'
metrics.a > 1
status = 'READY'
current_stage = 'Production'
alias = 'x'
description = 'x'
version = 1
source = 'x'
creation_timestamp > 1
timestamp > 5
order = 'a'
version_number = ' 1 '
version_number = 'one'
version_number = 1e5
version_number = -1
version_number = 0x1F
version_number = 5a
version_number = "1"
version_number > 99999999999999
version_number != 99999999999999
version_number = 1 AND version_number < 3
name + name = 'a'
name = 'a' + 'b'
name = 'a' || 'b'
name = 'a' = 'b'
1 = 1
5 = name
name = 'a', name = 'b'
name = 'a' AND, name = 'b'
name = 'a' ORDER BY name
SELECT * FROM models
name = (SELECT 1)
name = CASE
name LIKE'a'
nameLIKE'a'
"""
FILTERS: list[str | None] = [
    *_BY_LINE.strip().splitlines(),
    "", "   ", " name = 'a'", "name = 'a' ", "name\t=\t'a'", "name = 'a'\nAND\nname = 'a'", "name IN ('a\nb')", None,
    f"{TAG} = 'true' AND {TAG} != 'true'", f"{TAG} != 'true' AND {TAG} = 'true'", f"{TAG} = 'true' AND tags.a = 'x'",
    f"name = 'greeting' AND {TAG} != 'false'", f"tag.{PROMPT} = 'true'", f"tags.a = 'x' AND {TAG} = 'TRUE'",
]  # fmt: skip

ORDERS = [
    [one] for one in (
        "name", "name DESC", "name desc", "`name`", "`name` asc", '"name" asc', "'name'", "timestamp",
        "timestamp DESC", "timestamp  asc", "timestamp foo", "last_updated_timestamp", "last_updated_timestamp DESC",
        "creation_timestamp", "creation_timestamp desc", "version_number", "version_number  desc", "version", "run_id",
        "name foo", "name asc foo", "", " name", "name ", "name  ASC ", "name;", "attribute.name",
        "attribute.version_number DESC", "attributes.name", "tags.foo", "tags.name", "param.x",
        "name DESC NULLS LAST", "name, version_number", "5", "name.", "status", "NAME", "-name", "name\tASC",
        "name\nDESC", "`attribute`.name", "attribute.`name`", "attribute.`name` DESC", "name = 'a'", "`name", "asc",
        "desc desc", "(name)", "name AND",
    )
]  # fmt: skip
ORDERS += [
    ["name", "name"], ["timestamp", "last_updated_timestamp"], ["name DESC", "version_number"],
    ["last_updated_timestamp", "name DESC"], ["creation_timestamp DESC", "version_number ASC"],
    ["version_number", "last_updated_timestamp DESC", "name"], ["name", "foo"],
]  # fmt: skip

SAYS_MORE = "stock answers with an internal error"
A_LIST = "stock has Python read a list: quotes escape, join, span no lines; here a quoted text is what it says"
NO_CLAUSE = "both refuse, and name what is no condition; the parser that MLflow uses cuts it elsewhere"
# The text of the filter or order_by, or its beginning with an asterisk after it: why the answers differ.
DIFFERENCES: dict[str, str] = {
    "tags.a IS NULL": SAYS_MORE,
    "tags.a IS NOT NULL": SAYS_MORE,
    "name IN (a)": SAYS_MORE,
    "name IN ('a', NULL)": SAYS_MORE,
    "name IN (('a'))": A_LIST,
    "name IN ('a' 'b')": A_LIST,
    "name IN ('a\nb')": A_LIST,
    "name IN (b'a')": A_LIST,
    "name = 'a' /* comment */": NO_CLAUSE,
    "name /* comment */ = 'a'": NO_CLAUSE,
    "name = 'a', name = 'b'": NO_CLAUSE,
    "name = 'a' AND, name = 'b'": NO_CLAUSE,
    'name IN ["a"]': NO_CLAUSE,
    "name = 'a' = 'b'": NO_CLAUSE,
    "timestamp > 5": NO_CLAUSE,
    "tags.in = 'x'": "a tag may be called like a word of SQL",
    "['tags.name']": "stock takes a tag in order_by for the attribute of that name",
}


def searches() -> list[dict[str, Any]]:
    """Every search for models and for versions: by hand, of every key with every operator and value, in every order."""
    made = [f"{key} {operator} {value}" for key, operator, value in itertools.product(KEYS, OPERATORS, VALUES)]
    chosen = random.Random(4)
    made = chosen.sample(made, 900)
    made += [
        f"{one}{chosen.choice([' AND ', ' and '])}{other}" for one, other in zip(made[:150], made[150:300], strict=True)
    ]
    filters: list[tuple[str | None, list[str]]] = [(text, []) for text in [*FILTERS, *made]]
    filters += [(None, order) for order in ORDERS]
    filters += [("name != 'a'", order) for order in ORDERS[:6]]
    return [
        {"kind": kind, "filter": text, "order_by": order, "limit": limit}
        for (text, order), kind in itertools.product(filters, ("models", "versions"))
        for limit in ([100] if text is not None else [100, 3])
    ]


def reason(search: dict[str, Any]) -> str | None:
    """Why this search may be answered in another way; None: it may not."""
    asked = str(search["order_by"]) if search["order_by"] else search["filter"]
    return DIFFERENCES.get(asked)
