"""What MLflow's clients say of versions, versions without files, files under paths, former names, longer keys.

Phase: expand
Safe with the previous release: until an MLflow client registers a version whose files are not here. The previous
    release does not know the state ``unverified``, and its workers would call a version ready that is still to be
    fetched: stop them before MLflow's clients come.
Locks: on PostgreSQL short ones, but for building indexes on ``versions``; SQLite copies the tags, params and metrics.
Rollback: ``downgrade`` loses the new columns and tables; it is refused while there are versions without a
    manifest, also deleted ones, or keys of more than 128 characters on PostgreSQL.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
UUID = sa.Uuid(as_uuid=False)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
UNHASHED = sa.text("sha256 IS NULL")
# The expression by which searches in MLflow's order sort.
REVISED_MS = {
    "postgresql": "date_trunc('milliseconds', timezone('UTC', coalesce(revised_at, updated_at)))",
    "sqlite": "substr(coalesce(revised_at, updated_at), 1, 23)",
}
KEYED = ("model_tags", "version_tags", "version_params", "version_metrics")
FROZEN = ("version_params", "version_metrics")
VERSION_COLUMNS = ("source", "location", "run_id", "run_link", "logged_model", "revised_at", "claimed")


def upgrade() -> None:
    op.add_column("models", sa.Column("revised_at", INSTANT, nullable=True))
    op.add_column("models", sa.Column("claimed", DOCUMENT, nullable=True))
    op.add_column("versions", sa.Column("source", sa.Text(), nullable=True))
    op.add_column("versions", sa.Column("location", sa.Text(), nullable=True))
    op.add_column("versions", sa.Column("run_id", sa.String(length=255), nullable=True))
    op.add_column("versions", sa.Column("run_link", sa.Text(), nullable=True))
    op.add_column("versions", sa.Column("logged_model", sa.String(length=64), nullable=True))
    op.add_column("versions", sa.Column("revised_at", INSTANT, nullable=True))
    op.add_column("versions", sa.Column("claimed", DOCUMENT, nullable=True))
    _backfill()
    op.create_index("ix_versions_run_id", "versions", ["run_id"])
    op.create_index("ix_versions_created_at", "versions", ["created_at", "id"])
    op.drop_index("ix_versions_stage", "versions")
    op.create_index("ix_versions_stage", "versions", ["model_id", "stage", "number"])
    op.create_table(
        "former_names",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_former_names_model_id"),
        sa.PrimaryKeyConstraint("id", name="pk_former_names"),
    )
    op.create_index("ix_former_names_name_key", "former_names", ["name_key"])
    op.create_index("ix_former_names_name", "former_names", ["name"])
    op.create_index("ix_former_names_model_id", "former_names", ["model_id"])
    op.create_table(
        "artifacts",
        sa.Column("path", BYTEWISE, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("object", sa.String(length=255), nullable=True),
        sa.Column("logged_model", sa.String(length=64), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", UUID, nullable=False),
        sa.Column("lease_id", UUID, nullable=True),
        sa.Column("leased_until", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_artifacts_created_by"),
        sa.PrimaryKeyConstraint("path", name="pk_artifacts"),
    )
    op.create_index("ix_artifacts_logged_model", "artifacts", ["logged_model"])
    op.create_index("ix_artifacts_sha256", "artifacts", ["sha256"])
    op.create_index(
        "ix_artifacts_unhashed", "artifacts", ["created_at"], sqlite_where=UNHASHED, postgresql_where=UNHASHED
    )
    with op.batch_alter_table("imports") as imports:
        imports.add_column(sa.Column("version_id", SERIAL, nullable=True))
        imports.create_foreign_key("fk_imports_version_id", "versions", ["version_id"], ["id"])
    op.create_index("ix_imports_version_id", "imports", ["version_id"])
    _resize(128, 250)
    # Last, and dropped first: SQLite's tables are copied without the indexes that hold expressions.
    for table in ("model_tags", "version_tags"):
        op.create_index(f"ix_{table}_value", table, ["key", sa.text("substr(value, 1, 64)")])
    op.create_index("ix_versions_revised_ms", "versions", [sa.text(REVISED_MS[op.get_bind().dialect.name])])


def downgrade() -> None:
    bare = op.get_bind().execute(sa.text("SELECT count(*) FROM versions WHERE manifest_digest = ''")).scalar()
    if bare:
        raise RuntimeError(f"{bare} versions have no manifest, which the previous release would take for ready ones")
    op.drop_index("ix_versions_revised_ms", "versions")
    for table in ("model_tags", "version_tags"):
        op.drop_index(f"ix_{table}_value", table)
    _resize(250, 128)
    op.drop_index("ix_imports_version_id", "imports")
    with op.batch_alter_table("imports") as imports:
        imports.drop_constraint("fk_imports_version_id", type_="foreignkey")
        imports.drop_column("version_id")
    op.drop_table("artifacts")
    op.drop_table("former_names")
    op.drop_index("ix_versions_stage", "versions")
    op.create_index("ix_versions_stage", "versions", ["model_id", "stage"])
    op.drop_index("ix_versions_created_at", "versions")
    op.drop_index("ix_versions_run_id", "versions")
    for column in VERSION_COLUMNS:
        op.drop_column("versions", column)
    op.drop_column("models", "claimed")
    op.drop_column("models", "revised_at")


def _backfill() -> None:
    op.execute("UPDATE models SET revised_at = updated_at")
    op.execute("UPDATE versions SET revised_at = updated_at")
    attribute = "attributes ->> 'id'" if op.get_bind().dialect.name == "postgresql" else "attributes ->> '$.id'"
    op.execute(
        f"UPDATE versions SET run_id = (SELECT run.{attribute} FROM lineage_nodes AS own "
        "JOIN lineage_edges ON lineage_edges.source_id = own.id AND lineage_edges.kind = 'produced_by' "
        "JOIN lineage_nodes AS run ON run.id = lineage_edges.target_id WHERE own.version_id = versions.id)"
    )


def _resize(old: int, new: int) -> None:
    """SQLite copies the tables, and the copies have lost the triggers that refuse changes."""
    for table in KEYED:
        with op.batch_alter_table(table) as batch:
            batch.alter_column("key", existing_type=sa.String(length=old), type_=sa.String(length=new),
                               existing_nullable=False)  # fmt: skip
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in FROZEN:
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_keep_{change} BEFORE {change.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
