"""The table of notices, from its frozen scripts."""

from alembic import op

from headrace.store.upgrade import statements

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table and its indexes."""
    for statement in statements(f"sql/0002.{op.get_bind().dialect.name}.sql"):
        op.execute(statement)
