"""The id of the request that an audit entry names, read from the entry's hashed bytes; an index finds entries by it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction


class request_id(GenericFunction[str]):  # noqa: N801 -- named as the function of SQL that it stands for
    """Return the request id in the bytes of an entry; NULL where a worker wrote it, and for bytes that are none.

    Written exactly as in the migration of ``ix_audit_entries_request``: the databases compare the expressions.
    """

    name = "registry_request_id"
    type = String()
    inherit_cache = True


# The members of an entry are sorted (RFC 8785), and within texts each quote is escaped: nothing else matches.
_POSTGRESQL = """substring(encode({}, 'escape') from '"req":"([0-9a-f]{{32}})","seq":[0-9]+,"subject":')"""
_SQLITE = "CASE WHEN json_valid(CAST({0} AS TEXT)) THEN json_extract(CAST({0} AS TEXT), '$.req') END"


@compiles(request_id, "postgresql")
def _request_id_postgresql(element: request_id, compiler: Any, **options: Any) -> str:
    return _POSTGRESQL.format(compiler.process(element.clauses, **options))


@compiles(request_id, "sqlite")
def _request_id_sqlite(element: request_id, compiler: Any, **options: Any) -> str:
    return _SQLITE.format(compiler.process(element.clauses, **options))
