"""An index over the versions of each model in the order in which MLflow's clients list them.

Phase: expand
Safe with the previous release: yes, whose lists it makes faster, too.
Locks: on PostgreSQL a share lock on ``versions`` while the index is built: some seconds for a million versions.
Rollback: ``downgrade`` drops it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
works_with = "0005"

REVISED_MS = {
    "postgresql": "date_trunc('milliseconds', timezone('UTC', coalesce(revised_at, updated_at)))",
    "sqlite": "substr(coalesce(revised_at, updated_at), 1, 23)",
}


def upgrade() -> None:
    op.create_index(
        "ix_versions_model_revised_ms",
        "versions",
        ["model_id", sa.text(REVISED_MS[op.get_bind().dialect.name]), "number"],
    )


def downgrade() -> None:
    op.drop_index("ix_versions_model_revised_ms", "versions")
