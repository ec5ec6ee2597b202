"""The first schema, from its frozen scripts."""

from alembic import op

from headrace.store.upgrade import statements

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    for statement in statements(f"sql/0001.{op.get_bind().dialect.name}.sql"):
        op.execute(statement)
