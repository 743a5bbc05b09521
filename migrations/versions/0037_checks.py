"""Checks of versions.

Phase: expand
Safe with the previous release: yes; it does not know the table.
Locks: none but those of a new table.
Rollback: ``downgrade`` drops the table with the checks; the audit log keeps them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None
works_with = "0006"

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "version_checks",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("manifest_digest", sa.String(length=71), nullable=False),
        sa.Column("roles", DOCUMENT, nullable=False),
        sa.Column("reported_at", INSTANT, nullable=False),
        sa.Column("reported_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("entry_uid", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_version_checks_version_id"),
        sa.ForeignKeyConstraint(["reported_by"], ["accounts.id"], name="fk_version_checks_reported_by"),
        sa.PrimaryKeyConstraint("id", name="pk_version_checks"),
        sa.UniqueConstraint("entry_uid", name="uq_version_checks_entry_uid"),
    )
    op.create_index("ix_version_checks_latest", "version_checks", ["version_id", "name", "id"])
    if op.get_bind().dialect.name == "postgresql":
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            name, level = f"version_checks_keep_{change.lower()}", "STATEMENT" if change == "TRUNCATE" else "ROW"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {change} ON version_checks "
                f"FOR EACH {level} EXECUTE FUNCTION registry_refuse_change()"
            )
            op.execute(f"ALTER TABLE version_checks ENABLE ALWAYS TRIGGER {name}")
        return
    refuse = "BEGIN SELECT RAISE(ABORT, 'version_checks is append-only'); END"
    for change in ("UPDATE", "DELETE"):
        op.execute(f"CREATE TRIGGER version_checks_keep_{change.lower()} BEFORE {change} ON version_checks {refuse}")
    op.execute(
        "CREATE TRIGGER version_checks_keep_insert BEFORE INSERT ON version_checks "
        f"WHEN EXISTS (SELECT 1 FROM version_checks WHERE id = NEW.id OR entry_uid = NEW.entry_uid) {refuse}"
    )


def downgrade() -> None:
    op.drop_table("version_checks")
