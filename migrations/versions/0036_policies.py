"""Policies of models, and what each guarded move was decided on.

Phase: expand
Safe with the previous release: yes; it does not know the tables, and moves versions without gates.
Locks: none but those of new tables.
Rollback: ``downgrade`` drops the tables with the policies; the audit log keeps their digests.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
works_with = "0006"

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
TAKEN = {
    "policies": "digest = NEW.digest",
    "policy_assignments": "id = NEW.id OR started_entry = NEW.started_entry",
    "gate_evaluations": "entry_uid = NEW.entry_uid",
}


def upgrade() -> None:
    op.create_table(
        "policies",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_policies"),
    )
    op.create_table(
        "policy_assignments",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("started_entry", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_policy_assignments_model_id"),
        sa.ForeignKeyConstraint(["digest"], ["policies.digest"], name="fk_policy_assignments_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_policy_assignments"),
        sa.UniqueConstraint("started_entry", name="uq_policy_assignments_started_entry"),
    )
    op.create_index("ix_policy_assignments_model_id", "policy_assignments", ["model_id", "id"])
    op.create_table(
        "gate_evaluations",
        sa.Column("entry_uid", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version_id", SERIAL, nullable=False),
        sa.Column("target", sa.String(length=256), nullable=False),
        sa.Column("policy_digest", sa.String(length=71), nullable=False),
        sa.Column("assignment_id", SERIAL, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("verdicts", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_gate_evaluations_model_id"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_gate_evaluations_version_id"),
        sa.ForeignKeyConstraint(["policy_digest"], ["policies.digest"], name="fk_gate_evaluations_policy_digest"),
        sa.ForeignKeyConstraint(["assignment_id"], ["policy_assignments.id"], name="fk_gate_evaluations_assignment_id"),
        sa.PrimaryKeyConstraint("entry_uid", name="pk_gate_evaluations"),
    )
    op.create_index("ix_gate_evaluations_version_id", "gate_evaluations", ["version_id", "created_at"])
    for table, taken in TAKEN.items():
        _keep(table, taken)


def _keep(table: str, taken: str) -> None:
    """Refuse changes of the rows of the table."""
    if op.get_bind().dialect.name == "postgresql":
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            name, level = f"{table}_keep_{change.lower()}", "STATEMENT" if change == "TRUNCATE" else "ROW"
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {change} ON {table} "
                f"FOR EACH {level} EXECUTE FUNCTION registry_refuse_change()"
            )
            op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
        return
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    for change in ("UPDATE", "DELETE"):
        op.execute(f"CREATE TRIGGER {table}_keep_{change.lower()} BEFORE {change} ON {table} {refuse}")
    op.execute(
        f"CREATE TRIGGER {table}_keep_insert BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) {refuse}"
    )


def downgrade() -> None:
    op.drop_table("gate_evaluations")
    op.drop_table("policy_assignments")
    op.drop_table("policies")
