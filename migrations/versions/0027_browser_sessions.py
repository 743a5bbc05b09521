"""Browser sessions: tokens with another purpose, made from an API token and ended with it.

``parent_id`` refers to no key: API tokens are never deleted, which a trigger now ensures. Sessions are deleted some
time after their end.

Phase: expand
Safe with the previous release: yes, whose tokens get the purpose ``api``. Until it is gone, its servers accept the
    token of a browser session, which only the cookie of that browser has, with the rights of its parent.
Locks: on PostgreSQL an exclusive lock on ``tokens`` for an instant, and one that blocks writes while the indexes are
    built, of which the table has few rows.
Rollback: ``downgrade`` deletes the sessions, and their people log in again. The entries of sessions stay in the audit
    log; the previous release cannot verify them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
works_with = "0006"

SESSION = "purpose = 'session'"


def upgrade() -> None:
    op.add_column("tokens", sa.Column("purpose", sa.String(length=8), nullable=False, server_default="api"))
    op.add_column("tokens", sa.Column("parent_id", sa.String(length=12), nullable=True))
    for name, columns in {"parent": ["parent_id", "created_at"], "expiry": ["expires_at"]}.items():
        op.create_index(
            f"ix_tokens_session_{name}",
            "tokens",
            columns,
            sqlite_where=sa.text(SESSION),
            postgresql_where=sa.text(SESSION),
        )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER tokens_keep_delete BEFORE DELETE ON tokens FOR EACH ROW "
            "WHEN (OLD.purpose <> 'session') EXECUTE FUNCTION registry_refuse_change()"
        )
        op.execute("ALTER TABLE tokens ENABLE ALWAYS TRIGGER tokens_keep_delete")
        return
    op.execute(
        "CREATE TRIGGER tokens_keep_delete BEFORE DELETE ON tokens WHEN OLD.purpose <> 'session' "
        "BEGIN SELECT RAISE(ABORT, 'tokens is append-only'); END"
    )


def downgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute("DROP TRIGGER tokens_keep_delete" + (" ON tokens" if is_postgresql else ""))
    op.execute(f"DELETE FROM tokens WHERE {SESSION}")
    op.drop_index("ix_tokens_session_expiry", "tokens")
    op.drop_index("ix_tokens_session_parent", "tokens")
    op.drop_column("tokens", "parent_id")
    op.drop_column("tokens", "purpose")
