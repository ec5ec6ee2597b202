"""Indexes for lists of parts of runs that did not succeed, and of one owner's runs on a server."""

from alembic import op

from headrace.store.upgrade import statements

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the indexes."""
    for statement in statements(f"sql/0003.{op.get_bind().dialect.name}.sql"):
        op.execute(statement)
