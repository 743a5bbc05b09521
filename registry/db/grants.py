"""Rights of the application's role on PostgreSQL: it may add to history, never change it.

The owner of the tables migrates; the application connects as another role. A table that is not named here may be read
and written freely: only tables that history and answers rest on are restricted.

The tables of the sealed log are written by the sealer, which runs in a worker. Where a second role was given that
right, the workers connect as it and the servers cannot seal; otherwise the application's role has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from registry.db.base import Base
from registry.domain.errors import Unavailable

LOCK = 0x6D6F64656C  # that of the migrations: one upgrade at a time
VERSION_TABLE = "alembic_version"


@dataclass(frozen=True, slots=True)
class Rights:
    """Rights on a table besides SELECT.

    ``given`` are columns that the database fills on insert. ``update`` names the columns that may change; with ``kept``
    all may but those.
    """

    insert: bool = True
    given: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    delete: bool = False

    def insertable(self, table: str) -> set[str]:
        """Return the columns that an insert may fill."""
        return _columns(table) - set(self.given) if self.insert else set()

    def changeable(self, table: str) -> set[str]:
        """Return the columns that an update may change."""
        return _columns(table) - set(self.kept) if self.kept else set(self.update)


APPEND = Rights()
NUMBERED = Rights(given=("id",))  # ids cannot be dated back
READ = Rights(insert=False)
RESTRICTED: Mapping[str, Rights] = {
    VERSION_TABLE: READ,
    "compatible_releases": READ,
    "accounts": Rights(update=("look",)),
    "tokens": Rights(update=("last_used_on", "revoked_at"), delete=True),  # of sessions: a trigger keeps the others
    "audit_chains": Rights(insert=False, update=("audit_seq", "audit_head", "clock_at")),
    "audit_commit_base": READ,
    "audit_entries": Rights(given=("id", "commit_order")),
    "audit_texts": APPEND,
    "former_names": NUMBERED,
    "registry": Rights(insert=False, kept=("key", "id", "created_at", "unsealed_until")),
    "gate_evaluations": APPEND,
    "holds": Rights(given=("id",), update=("released_at", "released_entry")),
    "lineage_digests": APPEND,
    "lineage_edges": NUMBERED,
    "lineage_nodes": NUMBERED,
    "lineage_statements": NUMBERED,
    "policies": APPEND,
    "policy_assignments": NUMBERED,
    "request_acts": NUMBERED,
    "requests": Rights(update=("state", "closed_at", "closed_entry", "due_at", "last_refusal")),
    "tenures": Rights(given=("id",), update=("exclusive", "ended_at", "ended_kind", "ended_entry")),
    "alias_tenures": Rights(given=("id",), update=("ended_at", "ended_entry")),
    "uncertain_times": Rights(given=("id",), update=("until",)),
    "version_checks": NUMBERED,
    "version_files": APPEND,
    "version_metrics": NUMBERED,
    "version_params": APPEND,
    "models": Rights(kept=("id", "created_by")),
    "versions": Rights(
        given=("id",),
        kept=("id", "model_id", "number", "source", "location", "run_link", "logged_model", "created_at", "created_by"),
    ),
}

SEALING: Mapping[str, Rights] = {
    "audit_pending": Rights(insert=False, delete=True),
    "audit_leaves": APPEND,
    "audit_tiles": Rights(update=("hashes",)),
    "audit_tree": Rights(insert=False, kept=("id",)),
    "audit_checkpoints": Rights(update=("published_at",)),
}


def ensure_role(connection: Connection, role: str, password: str) -> None:
    """Make the role *role* that logs in with *password*, or give it that password; does not commit.

    The server gets a SCRAM verifier, so that its log never has the password. Raises Unavailable for a role that owns
    the tables or is a superuser.
    """
    driver: Any = connection.connection.driver_connection
    verifier = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    quoted = connection.dialect.identifier_preparer.quote(role)
    there = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    if there:
        _require_modest(connection, role)
    verb = "ALTER" if there else "CREATE"
    connection.exec_driver_sql(f"{verb} ROLE {quoted} LOGIN PASSWORD '{verifier}'")


def grant(connection: Connection, role: str, *, seals: bool) -> None:
    """Give *role* what the application needs, and take everything else from it. May be repeated; does not commit.

    With *seals* it may also write the sealed log.

    Raises Unavailable when there is no such role, or when it could take back what is refused to it.
    """
    _require_modest(connection, role)
    quoted = connection.dialect.identifier_preparer.quote(role)
    schema = connection.dialect.identifier_preparer.quote(
        connection.scalar(text("SELECT current_schema()")) or "public"
    )
    # Concurrent GRANTs on one table fail with "tuple concurrently updated".
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    for statement in _statements(connection, quoted, schema, seals=seals):
        connection.exec_driver_sql(statement)


def roles(connection: Connection) -> list[str]:
    """Return the roles that were given the application's rights."""
    statement = text(
        "SELECT DISTINCT grantee FROM information_schema.column_privileges JOIN pg_tables"
        " ON schemaname = table_schema AND tablename = table_name WHERE table_schema = current_schema()"
        " AND table_name = 'audit_entries' AND privilege_type = 'INSERT' AND grantee NOT IN (tableowner, 'PUBLIC')"
        " AND NOT pg_has_role(grantee::name, tableowner, 'MEMBER') ORDER BY grantee"
    )
    return list(connection.scalars(statement))


def may_seal(connection: Connection, role: str) -> bool:
    """Return whether *role* was given the sealer's rights."""
    statement = text(
        "SELECT has_column_privilege(CAST(:role AS name), to_regclass('audit_leaves')::oid, 'leaf', 'INSERT')"
    )
    return bool(connection.scalar(statement, {"role": role}))


def connected_role(connection: Connection) -> str:
    """Return the role that the connection has."""
    return connection.scalar(text("SELECT current_user")) or ""


def power(connection: Connection) -> str | None:
    """Return why the connected role can change history, or None when it cannot."""
    row = connection.execute(
        text(
            "SELECT rolname, rolsuper, pg_has_role(rolname, tableowner, 'MEMBER') AS owns FROM pg_roles, pg_tables"
            " WHERE rolname = current_user AND schemaname = current_schema() AND tablename = 'audit_entries'"
        )
    ).first()
    if row is None or not (row.rolsuper or row.owns):
        return None
    return f"{row.rolname} is a superuser" if row.rolsuper else f"{row.rolname} owns the tables"


def danger(connection: Connection) -> str | None:
    """Return why the connected role could change history or drop the triggers that guard it; None when it cannot.

    Besides the tables' owner that is the owner of their schema, who may drop them, or of a trigger's function.
    """
    if connection.dialect.name != "postgresql":
        return None
    row = connection.execute(_DANGER).first()
    if row is None:  # there is no schema yet
        return None
    for column, reason in (
        ("rolsuper", "is a superuser"),
        ("tables", "owns the tables"),
        ("functions", "owns the functions of the triggers"),
        ("schema", "owns the schema"),
    ):
        if getattr(row, column):
            return f"{row.rolname} {reason}"
    return None


_DANGER = text(
    "SELECT rolname, rolsuper,"
    " EXISTS (SELECT 1 FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE NOT tgisinternal"
    "  AND relnamespace = place.oid AND pg_has_role(relowner, 'MEMBER')) AS tables,"
    " EXISTS (SELECT 1 FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE NOT tgisinternal"
    "  AND pronamespace = place.oid AND pg_has_role(proowner, 'MEMBER')) AS functions,"
    " pg_has_role(nspowner, 'MEMBER') AS schema"
    " FROM pg_roles, pg_namespace AS place WHERE rolname = current_user AND nspname = current_schema()"
)


def problems(connection: Connection) -> list[str]:
    """Return what the application's roles may do beyond their rights, and what they lack."""
    checked = roles(connection) if power(connection) else [connected_role(connection)]
    return [problem for role in checked for problem in _problems(connection, role)]


def _require_modest(connection: Connection, role: str) -> None:
    row = connection.execute(
        text(
            "SELECT rolsuper, rolname = current_user AS own, pg_has_role(rolname, current_user, 'MEMBER') AS member"
            " FROM pg_roles WHERE rolname = :role"
        ),
        {"role": role},
    ).first()
    if row is None:
        raise Unavailable(f"there is no role {role!r}; make it first: CREATE ROLE {role} LOGIN PASSWORD '…'")
    if row.rolsuper or row.own or row.member:
        reason = "is a superuser" if row.rolsuper else "owns the tables" if row.own else "is a member of their owner"
        raise Unavailable(f"the role {role!r} {reason}: the application needs a role that cannot change history")


def _statements(connection: Connection, role: str, schema: str, *, seals: bool) -> Iterator[str]:
    database = connection.dialect.identifier_preparer.quote(connection.scalar(text("SELECT current_database()")) or "")
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}"
    yield f"REVOKE ALL ON SCHEMA {schema} FROM {role}"
    # PostgreSQL up to 14 lets every role create objects in the schema public.
    yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
    yield f"GRANT CONNECT ON DATABASE {database} TO {role}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {role}"
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    for table, rights in _tables(connection, seals=seals):
        name = connection.dialect.identifier_preparer.quote(table)
        if rights is None:
            yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {role}"
            continue
        yield f"GRANT SELECT{', DELETE' if rights.delete else ''} ON {name} TO {role}"
        for right, columns in (("INSERT", rights.insertable(table)), ("UPDATE", rights.changeable(table))):
            if columns:
                yield f"GRANT {right} ({_quoted(columns)}) ON {name} TO {role}"


def _tables(connection: Connection, *, seals: bool) -> Iterator[tuple[str, Rights | None]]:
    restricted = {**RESTRICTED, **(SEALING if seals else dict.fromkeys(SEALING, READ))}
    there = set(connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")))
    for table in sorted(there & {*Base.metadata.tables, VERSION_TABLE}):
        yield table, restricted.get(table)


def _columns(table: str) -> set[str]:
    return {column.name for column in Base.metadata.tables[table].columns}


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in sorted(columns))


_HAS = text(
    "SELECT has_table_privilege(:role, :table, 'SELECT') AS reads, has_table_privilege(:role, :table, 'DELETE') AS"
    " deletes, has_table_privilege(:role, :table, 'TRUNCATE') OR has_table_privilege(:role, :table, 'TRIGGER') AS"
    " structure, ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0"
    " AND NOT attisdropped AND has_column_privilege(:role, attrelid, attnum, 'UPDATE')) AS updates,"
    " ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0"
    " AND NOT attisdropped AND has_column_privilege(:role, attrelid, attnum, 'INSERT')) AS inserts"
)


def _problems(connection: Connection, role: str) -> Iterator[str]:
    creates = text("SELECT has_schema_privilege(:role, current_schema(), 'CREATE')")
    if connection.scalar(creates, {"role": role}):
        yield f"the role {role} may create objects in the schema: run registry db upgrade --app-role {role}"
    for table, rights in _tables(connection, seals=may_seal(connection, role)):
        has = connection.execute(_HAS, {"role": role, "table": table}).one()
        if rights is not None and (excess := _excess(table, rights, has)):
            yield f"the role {role} may {excess} {table}: history can be changed"
        if _lacks(table, rights, has):
            yield f"the role {role} lacks rights on {table}: run registry db upgrade --app-role {role}"


def _excess(table: str, rights: Rights, has: Any) -> str | None:
    if has.structure:
        return "truncate or put triggers on"
    if has.deletes and not rights.delete:
        return "delete from"
    if more := set(has.updates) - rights.changeable(table):
        return f"update {min(more)} of"
    if more := set(has.inserts) - rights.insertable(table):
        return f"insert {min(more)} into"
    return None


def _lacks(table: str, rights: Rights | None, has: Any) -> bool:
    if rights is None:
        columns = _columns(table)
        return not has.reads or not has.deletes or bool(columns - set(has.inserts) or columns - set(has.updates))
    lacking = rights.insertable(table) - set(has.inserts) or rights.changeable(table) - set(has.updates)
    return not has.reads or (rights.delete and not has.deletes) or bool(lacking)
