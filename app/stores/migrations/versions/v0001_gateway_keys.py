"""Gateway keys that are issued over the API."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "gateway_keys",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(16), nullable=False, unique=True),
        sa.Column("key_name", sa.String(16), nullable=False),
        sa.Column("key_alias", sa.String(255), unique=True),
        sa.Column("rpm_limit", sa.Integer),
        sa.Column("max_parallel_requests", sa.Integer),
        sa.Column("allowed_passthrough_routes", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("expires_s", sa.Double),
        sa.Column("created_s", sa.Double, nullable=False),
        sa.Column("updated_s", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Drop it, keys and all."""
    op.drop_table("gateway_keys")
