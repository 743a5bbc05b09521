"""The first schema: catalogue, artifacts, lineage, governance, access and audit.

Phase: expand
Safe with the previous release: there is none.
Locks: none; every table is new.
Rollback: ``downgrade`` drops everything, history included.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
UUID = sa.Uuid(as_uuid=False)
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")

# What is written once. Texts of the audit log and idempotency keys may be deleted, tenures are ended once.
FROZEN = (
    "audit_entries",
    "lineage_digests",
    "lineage_edges",
    "lineage_nodes",
    "version_files",
    "version_metrics",
    "version_params",
)
SYSTEM = "00000000-0000-0000-0000-000000000001"
LOCAL_DEV = "00000000-0000-0000-0000-000000000002"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", UUID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "audit_chains",
        sa.Column("aggregate", sa.String(length=64), nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), nullable=False),
        sa.Column("audit_head", sa.String(length=64), nullable=False),
        sa.Column("clock_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("aggregate", name="pk_audit_chains"),
    )
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("verified_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
        sa.UniqueConstraint("key", name="uq_blobs_key"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("principal", UUID, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("etag", sa.String(length=128), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["principal"], ["accounts.id"], name="fk_idempotency_keys_principal"),
        sa.PrimaryKeyConstraint("principal", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "models",
        sa.Column("id", UUID, nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("lifecycle", sa.String(length=16), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("latest_number", sa.Integer(), nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", UUID, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("deleted_at", INSTANT, nullable=True),
        sa.Column("audit_seq", sa.BigInteger(), nullable=False),
        sa.Column("audit_head", sa.String(length=64), nullable=False),
        sa.Column("clock_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_models_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
    )
    op.create_index("ix_models_name", "models", ["name"], unique=False)
    op.create_index("ix_models_name_key", "models", ["name_key"], unique=False)
    op.create_index(
        "uq_models_live_name",
        "models",
        ["name_key"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", UUID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("roles", DOCUMENT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", UUID, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_tokens_account_id"),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_tokens_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_account_id", "tokens", ["account_id"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", UUID, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", UUID, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_uploads_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.UniqueConstraint("key", name="uq_uploads_key"),
    )
    op.create_index("ix_uploads_state_expires_at", "uploads", ["state", "expires_at"], unique=False)
    op.create_table(
        "model_tags",
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_model_tags_model_id"),
        sa.PrimaryKeyConstraint("model_id", "key", name="pk_model_tags"),
    )
    op.create_index("ix_model_tags_key", "model_tags", ["key"], unique=False)
    op.create_table(
        "versions",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("rolled_back", sa.Boolean(), nullable=False),
        sa.Column("manifest_digest", sa.String(length=71), nullable=False),
        sa.Column("run_key", sa.String(length=71), nullable=False),
        sa.Column("lineage_digest", sa.String(length=71), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("framework", sa.String(length=64), nullable=True),
        sa.Column("signature", DOCUMENT, nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", UUID, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("deleted_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["accounts.id"], name="fk_versions_created_by"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_versions_model_id"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("model_id", "number", name="uq_versions_model_id_number"),
    )
    op.create_index("ix_versions_natural_key", "versions", ["model_id", "manifest_digest", "run_key"], unique=False)
    op.create_index("ix_versions_stage", "versions", ["model_id", "stage"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("uid", UUID, nullable=False),
        sa.Column("aggregate", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("actor_id", UUID, nullable=False),
        sa.Column("model_id", UUID, nullable=True),
        sa.Column("version_id", SERIAL, nullable=True),
        sa.Column("related_version_id", SERIAL, nullable=True),
        sa.Column("leaf_hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["accounts.id"], name="fk_audit_entries_actor_id"),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_audit_entries_model_id"),
        sa.ForeignKeyConstraint(["related_version_id"], ["versions.id"], name="fk_audit_entries_related_version_id"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_audit_entries_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
        sa.UniqueConstraint("aggregate", "seq", name="uq_audit_entries_aggregate_seq"),
        sa.UniqueConstraint("uid", name="uq_audit_entries_uid"),
    )
    op.create_index("ix_audit_entries_action", "audit_entries", ["action", "id"], unique=False)
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor_id", "id"], unique=False)
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"], unique=False)
    op.create_index("ix_audit_entries_model", "audit_entries", ["model_id", "id"], unique=False)
    op.create_index("ix_audit_entries_related_version", "audit_entries", ["related_version_id", "id"], unique=False)
    op.create_index("ix_audit_entries_version", "audit_entries", ["version_id", "id"], unique=False)
    op.create_table(
        "lineage_nodes",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attributes", DOCUMENT, nullable=False),
        sa.Column("version_id", SERIAL, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_lineage_nodes_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lineage_nodes"),
        sa.UniqueConstraint("kind", "key", name="uq_lineage_nodes_kind_key"),
        sa.UniqueConstraint("version_id", name="uq_lineage_nodes_version_id"),
    )
    op.create_index("ix_lineage_nodes_name", "lineage_nodes", ["kind", "name"], unique=False)
    op.create_table(
        "version_files",
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("path", BYTEWISE, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_version_files_sha256"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_version_files_version_id"),
        sa.PrimaryKeyConstraint("version_id", "path", name="pk_version_files"),
    )
    op.create_index("ix_version_files_sha256", "version_files", ["sha256"], unique=False)
    op.create_table(
        "version_metrics",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.Column("dataset_digest", sa.String(length=160), nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("recorded_by", UUID, nullable=False),
        sa.ForeignKeyConstraint(["recorded_by"], ["accounts.id"], name="fk_version_metrics_recorded_by"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_version_metrics_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_version_metrics"),
    )
    op.create_index("ix_version_metrics_key_value", "version_metrics", ["key", "value"], unique=False)
    op.create_index("ix_version_metrics_latest", "version_metrics", ["version_id", "key", "id"], unique=False)
    op.create_table(
        "version_params",
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_version_params_version_id"),
        sa.PrimaryKeyConstraint("version_id", "key", name="pk_version_params"),
    )
    op.create_index("ix_version_params_key", "version_params", ["key"], unique=False)
    op.create_table(
        "version_tags",
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_version_tags_version_id"),
        sa.PrimaryKeyConstraint("version_id", "key", name="pk_version_tags"),
    )
    op.create_index("ix_version_tags_key", "version_tags", ["key"], unique=False)
    op.create_table(
        "alias_tenures",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("alias", BYTEWISE, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("started_entry", UUID, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_entry", UUID, nullable=True),
        sa.ForeignKeyConstraint(
            ["ended_entry"],
            ["audit_entries.uid"],
            name="fk_alias_tenures_ended_entry",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_alias_tenures_model_id"),
        sa.ForeignKeyConstraint(
            ["started_entry"],
            ["audit_entries.uid"],
            name="fk_alias_tenures_started_entry",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_alias_tenures_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_alias_tenures"),
    )
    op.create_index("ix_alias_tenures_as_of", "alias_tenures", ["model_id", "alias", "started_at", "id"], unique=False)
    op.create_index("ix_alias_tenures_version_id", "alias_tenures", ["version_id"], unique=False)
    op.create_index(
        "uq_alias_tenures_current",
        "alias_tenures",
        ["model_id", "alias"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "audit_texts",
        sa.Column("entry_uid", UUID, nullable=False),
        sa.Column("field", sa.String(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry_uid"], ["audit_entries.uid"], name="fk_audit_texts_entry_uid"),
        sa.PrimaryKeyConstraint("entry_uid", "field", name="pk_audit_texts"),
    )
    op.create_table(
        "lineage_digests",
        sa.Column("node_id", SERIAL, nullable=False),
        sa.Column("digest", sa.String(length=160), nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["lineage_nodes.id"], name="fk_lineage_digests_node_id"),
        sa.PrimaryKeyConstraint("node_id", "digest", name="pk_lineage_digests"),
    )
    op.create_index("ix_lineage_digests_digest", "lineage_digests", ["digest"], unique=False)
    op.create_table(
        "lineage_edges",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("source_id", SERIAL, nullable=False),
        sa.Column("target_id", SERIAL, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["lineage_nodes.id"], name="fk_lineage_edges_source_id"),
        sa.ForeignKeyConstraint(["target_id"], ["lineage_nodes.id"], name="fk_lineage_edges_target_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lineage_edges"),
        sa.UniqueConstraint(
            "source_id", "kind", "role", "target_id", name="uq_lineage_edges_source_id_kind_role_target_id"
        ),
    )
    op.create_index("ix_lineage_edges_target_id", "lineage_edges", ["target_id", "kind"], unique=False)
    op.create_table(
        "tenures",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("model_id", UUID, nullable=False),
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("started_kind", sa.String(length=16), nullable=False),
        sa.Column("started_entry", UUID, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_kind", sa.String(length=16), nullable=True),
        sa.Column("ended_entry", UUID, nullable=True),
        sa.Column("origin_id", SERIAL, nullable=True),
        sa.ForeignKeyConstraint(
            ["ended_entry"], ["audit_entries.uid"], name="fk_tenures_ended_entry", initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_tenures_model_id"),
        sa.ForeignKeyConstraint(["origin_id"], ["tenures.id"], name="fk_tenures_origin_id"),
        sa.ForeignKeyConstraint(
            ["started_entry"],
            ["audit_entries.uid"],
            name="fk_tenures_started_entry",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_tenures_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tenures"),
    )
    op.create_index("ix_tenures_as_of", "tenures", ["model_id", "stage", "started_at", "id"], unique=False)
    op.create_index(
        "uq_tenures_one_production",
        "tenures",
        ["model_id"],
        unique=True,
        sqlite_where=sa.text("stage = 'production' AND ended_at IS NULL AND exclusive"),
        postgresql_where=sa.text("stage = 'production' AND ended_at IS NULL AND exclusive"),
    )
    op.create_index(
        "uq_tenures_one_stage",
        "tenures",
        ["version_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    _freeze()
    _seed()


def downgrade() -> None:
    op.drop_table("tenures")
    op.drop_table("lineage_edges")
    op.drop_table("lineage_digests")
    op.drop_table("audit_texts")
    op.drop_table("alias_tenures")
    op.drop_table("version_tags")
    op.drop_table("version_params")
    op.drop_table("version_metrics")
    op.drop_table("version_files")
    op.drop_table("lineage_nodes")
    op.drop_table("audit_entries")
    op.drop_table("versions")
    op.drop_table("model_tags")
    op.drop_table("uploads")
    op.drop_table("tokens")
    op.drop_table("models")
    op.drop_table("idempotency_keys")
    op.drop_table("blobs")
    op.drop_table("audit_chains")
    op.drop_table("accounts")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION registry_refuse_change()")


def _freeze() -> None:
    """Refuse every change of what is written once, whoever asks; history cannot be edited by a bug or a console."""
    if op.get_bind().dialect.name == "postgresql":
        _freeze_postgresql()
        return
    for table in FROZEN:
        for change in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_keep_{change} BEFORE {change.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _freeze_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION registry_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in FROZEN:
        for change in ("update", "delete", "truncate"):
            level = "STATEMENT" if change == "truncate" else "ROW"
            op.execute(
                f"CREATE TRIGGER {table}_keep_{change} BEFORE {change.upper()} ON {table} "
                f"FOR EACH {level} EXECUTE FUNCTION registry_refuse_change()"
            )
            # ALWAYS: also in a session that calls itself a replica.
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_keep_{change}")


def _seed() -> None:
    """The registry's own accounts, and the chain of what belongs to no model."""
    now = sa.func.current_timestamp()
    accounts = sa.table(
        "accounts", sa.column("id", UUID), sa.column("name"), sa.column("kind"), sa.column("created_at")
    )
    op.execute(accounts.insert().values(id=SYSTEM, name="system", kind="system", created_at=now))
    op.execute(accounts.insert().values(id=LOCAL_DEV, name="local-dev", kind="local-dev", created_at=now))
    chains = sa.table(
        "audit_chains", sa.column("aggregate"), sa.column("audit_seq"), sa.column("audit_head"), sa.column("clock_at")
    )
    op.execute(chains.insert().values(aggregate="auth", audit_seq=0, audit_head="", clock_at=now))
