"""What is told about keys, in LiteLLM's shapes; the secret only once, and the digest never."""

from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from app.stores.schema import StoredKey


class Answer(BaseModel):
    """What all answers share: they tell what the document says, and nothing else. Built when used, as forms are."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True, defer_build=True
    )


class KeyRow(Answer):
    """A key, without what opens doors."""

    token: str = Field(description="Its key_id: LiteLLM tells the digest here.")
    key_id: str = Field(description="Its public name.")
    key_name: str = Field(description="`sk-...` and its last four characters.")
    key_alias: str | None
    expires: datetime | None
    rpm_limit: int | None
    max_parallel_requests: int | None
    metadata: dict[str, Any]
    allowed_passthrough_routes: list[str]
    blocked: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, stored: StoredKey, **more: Any) -> Self:
        """Return what is told of this key; `more` are the fields that a subclass adds."""
        return cls(
            token=stored.key_id,
            key_id=stored.key_id,
            key_name=stored.key_name,
            key_alias=stored.key_alias,
            expires=None if stored.expires_s is None else datetime.fromtimestamp(stored.expires_s, UTC),
            rpm_limit=stored.rpm_limit,
            max_parallel_requests=stored.max_parallel_requests,
            metadata=dict(stored.metadata),
            allowed_passthrough_routes=list(stored.allowed_passthrough_routes),
            blocked=stored.blocked,
            created_at=datetime.fromtimestamp(stored.created_s, UTC),
            updated_at=datetime.fromtimestamp(stored.updated_s, UTC),
            **more,
        )


class IssuedKey(KeyRow):
    """A key whose secret is told, this once."""

    key: str = Field(description="The secret. Keep it: it is stored nowhere.")
    token_id: str = Field(description="Its key_id.")


class UpdatedKey(KeyRow):
    """A key as it is now."""

    key: str = Field(description="Its key_id.")


class KeyInfo(Answer):
    """One key."""

    key: str = Field(description="Its key_id.")
    info: KeyRow


class KeyList(Answer):
    """A page of keys, the newest first."""

    keys: list[str] | list[KeyRow] = Field(description="key_ids, or whole keys with `return_full_object`.")
    total_count: int
    current_page: int
    total_pages: int


class DeletedKeys(Answer):
    """What was deleted."""

    deleted_keys: list[str] = Field(description="As they were named; for a secret its key_id.")


class Error(Answer):
    """What went wrong."""

    message: str
    type: str
    param: str | None = Field(description="The field at fault.")
    code: str


class Problem(Answer):
    """A refusal."""

    error: Error
