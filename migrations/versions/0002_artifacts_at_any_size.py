"""Uploads in parts, verification by workers, collection, scrubbing, imports and purged versions.

Phase: expand
Safe with the previous release: yes; it sees no version that is pending, for it makes none.
Locks: on PostgreSQL short ones, of tables that get a column or lose a foreign key; SQLite copies ``version_files``.
Rollback: ``downgrade`` loses unfinished uploads in parts and imports; it is refused when a version has lost bytes
    since (purged or pending), because the foreign key that it brings back would not hold.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
UUID = sa.Uuid(as_uuid=False)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
DAMAGED = sa.text("damage IS NOT NULL")
PENDING = sa.text("state = 'pending'")

BLOB_COLUMNS = ("etag", "checked_at", "damage", "unreferenced_since")
UPLOAD_COLUMNS = ("reason", "part_size", "handle", "lease_id", "leased_until")


def upgrade() -> None:
    op.add_column("blobs", sa.Column("etag", sa.String(length=255), nullable=True))
    op.add_column("blobs", sa.Column("checked_at", INSTANT, nullable=True))
    op.add_column("blobs", sa.Column("damage", sa.String(length=16), nullable=True))
    op.add_column("blobs", sa.Column("unreferenced_since", INSTANT, nullable=True))
    op.create_index("ix_blobs_checked_at", "blobs", ["checked_at"])
    op.create_index("ix_blobs_unreferenced_since", "blobs", ["unreferenced_since"])
    op.create_index("ix_blobs_damage", "blobs", ["damage"], sqlite_where=DAMAGED, postgresql_where=DAMAGED)
    op.add_column("uploads", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("uploads", sa.Column("part_size", sa.BigInteger(), nullable=True))
    op.add_column("uploads", sa.Column("handle", sa.String(length=1024), nullable=True))
    op.add_column("uploads", sa.Column("lease_id", UUID, nullable=True))
    op.add_column("uploads", sa.Column("leased_until", INSTANT, nullable=True))
    op.create_index("ix_uploads_sha256", "uploads", ["sha256", "created_by"])
    op.add_column("versions", sa.Column("purged_at", INSTANT, nullable=True))
    op.create_index("ix_versions_pending", "versions", ["id"], sqlite_where=PENDING, postgresql_where=PENDING)
    op.create_table(
        "strays",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("handle", sa.String(length=1024), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", "handle", name="pk_strays"),
    )
    op.create_table(
        "imports",
        sa.Column("id", UUID, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("facts", DOCUMENT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", UUID, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("lease_id", UUID, nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_imports_created_by"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_imports_model_id"),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_index("ix_imports_state", "imports", ["state", "created_at"])
    with _files() as files:
        files.drop_constraint("fk_version_files_sha256", type_="foreignkey")
    _freeze_files()
    _guard_blobs()
    _seed()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER blobs_keep_delete ON blobs")
        op.execute("DROP FUNCTION registry_refuse_loss()")
    else:
        op.execute("DROP TRIGGER blobs_keep_delete")
    op.execute("DELETE FROM audit_chains WHERE aggregate = 'storage' AND audit_seq = 0")
    with _files() as files:
        files.create_foreign_key("fk_version_files_sha256", "blobs", ["sha256"], ["sha256"])
    _freeze_files()
    op.drop_table("imports")
    op.drop_table("strays")
    op.drop_index("ix_versions_pending", "versions")
    op.drop_column("versions", "purged_at")
    op.drop_index("ix_uploads_sha256", "uploads")
    for column in UPLOAD_COLUMNS:
        op.drop_column("uploads", column)
    op.drop_index("ix_blobs_damage", "blobs")
    op.drop_index("ix_blobs_unreferenced_since", "blobs")
    op.drop_index("ix_blobs_checked_at", "blobs")
    for column in BLOB_COLUMNS:
        op.drop_column("blobs", column)


def _files():  # type: ignore[no-untyped-def]  # Alembic's batch context
    """Change ``version_files``, which SQLite can only do by copying it."""
    return op.batch_alter_table("version_files")


def _freeze_files() -> None:
    """SQLite's copy has lost the triggers that refuse changes."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for change in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER version_files_keep_{change} BEFORE {change.upper()} ON version_files "
            "BEGIN SELECT RAISE(ABORT, 'version_files is append-only'); END"
        )


def _guard_blobs() -> None:
    """Refuse to forget bytes that a version needs: the wall that the foreign key was, but for purged versions."""
    needed = (
        "EXISTS (SELECT 1 FROM version_files JOIN versions ON versions.id = version_files.version_id "
        "WHERE version_files.sha256 = OLD.sha256 AND versions.purged_at IS NULL AND versions.state <> 'failed')"
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER blobs_keep_delete BEFORE DELETE ON blobs WHEN {needed} "
            "BEGIN SELECT RAISE(ABORT, 'a version needs this blob'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION registry_refuse_loss() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {needed} THEN RAISE EXCEPTION 'a version needs this blob' USING ERRCODE = 'foreign_key_violation'; "
        "END IF; RETURN OLD; END $$"
    )
    op.execute(
        "CREATE TRIGGER blobs_keep_delete BEFORE DELETE ON blobs FOR EACH ROW EXECUTE FUNCTION registry_refuse_loss()"
    )
    op.execute("ALTER TABLE blobs ENABLE ALWAYS TRIGGER blobs_keep_delete")


def _seed() -> None:
    """The chain of what happens to stored bytes that belong to no one model."""
    chains = sa.table(
        "audit_chains", sa.column("aggregate"), sa.column("audit_seq"), sa.column("audit_head"), sa.column("clock_at")
    )
    now = sa.func.current_timestamp()
    op.execute(chains.insert().values(aggregate="storage", audit_seq=0, audit_head="", clock_at=now))
