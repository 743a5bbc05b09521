"""The sealed log: positions of audit entries in one Merkle tree, its hashes, and signed checkpoints.

A trigger notes each new entry in ``audit_pending``, from where the sealer takes it. Entries that are there already have
ids up to ``audit_tree.backfill_until``; the sealer gives them positions first, in batches, and can be interrupted.

Phase: expand; the backfill is the sealer's.
Safe with the previous release: yes; the trigger notes its entries too, and it reads none of the tables.
Locks: on PostgreSQL a lock on ``audit_entries`` that waits for writers and lets them wait, for an instant. No entry
    that is being written can be missed: the newest id is read under it.
Rollback: ``downgrade`` drops positions and checkpoints. Sealed again, the log has other positions and a new origin.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
works_with = "0006"

# SECURITY DEFINER: the application's role may not touch the table, so it cannot keep an entry from being sealed.
# Temporary tables, which every role may create, come last in the path. No other role may put the function on a table.
# The id is there already only where an entry was deleted, which verification reports; new entries are not refused.
FUNCTION = """
CREATE FUNCTION registry_audit_pending() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {schema}, pg_temp
AS $$
BEGIN
    INSERT INTO {schema}.audit_pending (entry_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
"""
# Columns that are written once: all of the first table, and all of the second but ``published_at``.
KEPT = {"audit_leaves": "", "audit_checkpoints": " OF origin, size, root, note, signed_at"}
# SQLite replaces a row without its delete trigger; a row whose key is taken is refused before that.
TAKEN = {
    "audit_leaves": "position = NEW.position OR entry_id = NEW.entry_id",
    "audit_checkpoints": "origin = NEW.origin AND size = NEW.size",
}


def upgrade() -> None:
    op.create_table(
        "audit_pending",
        sa.Column("entry_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit_pending"),
    )
    op.create_table(
        "audit_leaves",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_audit_leaves"),
    )
    op.create_index("uq_audit_leaves_entry_id", "audit_leaves", ["entry_id"], unique=True)
    op.create_table(
        "audit_tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_audit_tiles"),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("origin", "size", name="pk_audit_checkpoints"),
    )
    op.create_table(
        "audit_tree",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("backfill_next", sa.BigInteger(), nullable=False),
        sa.Column("backfill_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_tree"),
    )
    _note_new_entries()
    for table, columns in KEPT.items():
        _keep(table, columns)
    # After the trigger, which notes every entry that is committed later.
    empty = "''::bytea" if op.get_bind().dialect.name == "postgresql" else "x''"
    op.execute(
        "INSERT INTO audit_tree (id, origin, keys, size, hashes, backfill_next, backfill_until) "
        f"SELECT 1, '', '', 0, {empty}, 1, coalesce(max(id), 0) FROM audit_entries"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_entries_pending ON audit_entries")
        op.execute("DROP FUNCTION registry_audit_pending()")
    else:
        op.execute("DROP TRIGGER audit_entries_pending")
    for table in ("audit_pending", "audit_leaves", "audit_tiles", "audit_checkpoints", "audit_tree"):
        op.drop_table(table)


def _note_new_entries() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(FUNCTION.format(schema=op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))))
        op.execute("REVOKE ALL ON FUNCTION registry_audit_pending() FROM PUBLIC")
        op.execute(
            "CREATE TRIGGER audit_entries_pending AFTER INSERT ON audit_entries "
            "FOR EACH ROW EXECUTE FUNCTION registry_audit_pending()"
        )
        # ALWAYS: also in a session that calls itself a replica.
        op.execute("ALTER TABLE audit_entries ENABLE ALWAYS TRIGGER audit_entries_pending")
        return
    op.execute(
        "CREATE TRIGGER audit_entries_pending AFTER INSERT ON audit_entries "
        "BEGIN INSERT OR IGNORE INTO audit_pending (entry_id) VALUES (NEW.id); END"
    )


def _keep(table: str, columns: str) -> None:
    """Refuse every change of what is written once."""
    if op.get_bind().dialect.name == "postgresql":
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            name, level = f"{table}_keep_{change.lower()}", "STATEMENT" if change == "TRUNCATE" else "ROW"
            which = columns if change == "UPDATE" else ""
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {change}{which} ON {table} "
                f"FOR EACH {level} EXECUTE FUNCTION registry_refuse_change()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    op.execute(f"CREATE TRIGGER {table}_keep_update BEFORE UPDATE{columns} ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_keep_delete BEFORE DELETE ON {table} {refuse}")
    taken = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {TAKEN[table]})"
    op.execute(f"CREATE TRIGGER {table}_keep_insert BEFORE INSERT ON {table} {taken} {refuse}")
