"""Requests for approval.

Phase: expand
Safe with the previous release: yes; it does not know the tables, and counts no approvals.
Locks: none but those of new tables.
Rollback: ``downgrade`` drops the tables with the requests; the audit log keeps them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None
works_with = "0006"

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UUID = sa.Uuid(as_uuid=False)
INSTANT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
OPEN, DUE = sa.text("state = 'open'"), sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", UUID, nullable=False),
        sa.Column("model_id", UUID, nullable=True),
        sa.Column("version_id", SERIAL, nullable=True),
        sa.Column("target", sa.String(length=256), nullable=False),
        sa.Column("policy_digest", sa.String(length=71), nullable=True),
        sa.Column("requested_by", UUID, nullable=False),
        sa.Column("issuer_id", UUID, nullable=True),
        sa.Column("token_id", sa.String(length=12), nullable=True),
        sa.Column("registrar_id", UUID, nullable=True),
        sa.Column("registrar_issuer_id", UUID, nullable=True),
        sa.Column("manifest_digest", sa.String(length=71), nullable=True),
        sa.Column("policy_entry", UUID, nullable=True),
        sa.Column("holder_entry", UUID, nullable=True),
        sa.Column("apply_when_ready", sa.Boolean(), nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("opened_entry", UUID, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closed_entry", UUID, nullable=True),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("last_refusal", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_requests_model_id"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_requests_version_id"),
        sa.ForeignKeyConstraint(["requested_by"], ["accounts.id"], name="fk_requests_requested_by"),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.UniqueConstraint("opened_entry", name="uq_requests_opened_entry"),
    )
    op.create_index("ix_requests_version_id", "requests", ["version_id", "target", "opened_at"])
    op.create_index("ix_requests_model_id", "requests", ["model_id", "opened_at"])
    op.create_index("ix_requests_opened_at", "requests", ["opened_at"])
    op.create_index("ix_requests_open", "requests", ["expires_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("ix_requests_due_at", "requests", ["due_at"], sqlite_where=DUE, postgresql_where=DUE)
    op.create_table(
        "request_acts",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("request_id", UUID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("account_id", UUID, nullable=False),
        sa.Column("issuer_id", UUID, nullable=True),
        sa.Column("roles", DOCUMENT, nullable=False),
        sa.Column("entry_uid", UUID, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], name="fk_request_acts_request_id"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_request_acts_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_request_acts"),
        sa.UniqueConstraint("entry_uid", name="uq_request_acts_entry_uid"),
    )
    op.create_index("ix_request_acts_request_id", "request_acts", ["request_id", "id"])
    if op.get_bind().dialect.name == "postgresql":
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            name, level = f"request_acts_keep_{change.lower()}", "STATEMENT" if change == "TRUNCATE" else "ROW"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {change} ON request_acts "
                f"FOR EACH {level} EXECUTE FUNCTION registry_refuse_change()"
            )
            op.execute(f"ALTER TABLE request_acts ENABLE ALWAYS TRIGGER {name}")
        return
    refuse = "BEGIN SELECT RAISE(ABORT, 'request_acts is append-only'); END"
    for change in ("UPDATE", "DELETE"):
        op.execute(f"CREATE TRIGGER request_acts_keep_{change.lower()} BEFORE {change} ON request_acts {refuse}")
    op.execute(
        "CREATE TRIGGER request_acts_keep_insert BEFORE INSERT ON request_acts "
        f"WHEN EXISTS (SELECT 1 FROM request_acts WHERE id = NEW.id OR entry_uid = NEW.entry_uid) {refuse}"
    )


def downgrade() -> None:
    op.drop_table("request_acts")
    op.drop_table("requests")
