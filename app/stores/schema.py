"""What the key store holds: one table, and one row of it as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, Boolean, Column, Double, Integer, MetaData, PrimaryKeyConstraint, String, Table

from app.principal import Principal

METADATA = MetaData()
# The last step that leads to these tables; a test keeps it true. Known here so that a start with a store that
# is new or up to date need not import Alembic.
REVISION = "0001"

KEYS = Table(
    "gateway_keys",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("key_id", String(16), nullable=False, unique=True),
    Column("key_name", String(16), nullable=False),
    Column("key_alias", String(255), unique=True),
    Column("rpm_limit", Integer),
    Column("max_parallel_requests", Integer),
    Column("allowed_passthrough_routes", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("expires_s", Double),
    Column("created_s", Double, nullable=False),
    Column("updated_s", Double, nullable=False),
)
# Alembic's own, as it makes it, with one row: the last step taken. Not among the tables it compares.
STEPS_TAKEN = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of the table; times are Unix seconds. Nothing in it opens a door: the secret is stored nowhere."""

    digest: str
    key_id: str
    key_name: str
    """`sk-...abcd`, the secret's last four characters, by which LiteLLM's users know their keys."""
    created_s: float
    updated_s: float
    key_alias: str | None = None
    rpm_limit: int | None = None
    max_parallel_requests: int | None = None
    allowed_passthrough_routes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    blocked: bool = False
    expires_s: float | None = None

    def principal(self) -> Principal:
        """Return whom the key resolves to."""
        return Principal(
            self.key_id,
            self.digest,
            self.key_alias,
            self.rpm_limit,
            self.max_parallel_requests,
            self.allowed_passthrough_routes,
            self.expires_s,
            self.blocked,
        )


def stored_key(row: Mapping[Any, Any]) -> StoredKey:
    """Return the row, or what is known of one that is to be, as a value."""
    return StoredKey(**{**row, "allowed_passthrough_routes": tuple(row.get("allowed_passthrough_routes", ()))})
