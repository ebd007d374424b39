"""What can be asked about keys: LiteLLM's names, strict types, no unknown field.

The models become the OpenAPI document. A quoted "60" is text and no limit, and so are true and 60.0.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    SecretStr,
    WithJsonSchema,
    model_validator,
)

# PostgreSQL's integer.
MOST = 2**31 - 1
MOST_AT_ONCE = 1000
DEEPEST = 20
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# So many digits that no duration ends after the year 9999.
_DURATION = "^([1-9][0-9]{0,8}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,5}h|[1-9][0-9]{0,4}d|[1-9][0-9]{0,3}w)$"
# Characters that every carrier takes as they are (RFC 3986 §2.3), and no digest or key_id.
_NEW_KEY = "^(?!([0-9a-f]{16}|[0-9a-f]{64})$)[A-Za-z0-9._~-]{16,256}$"
_BOTH_ENDS: dict[str, Any] = {
    "required": ["duration", "expires"],
    "properties": {"duration": {"type": "string"}, "expires": {"type": "string"}},
}
_ROUTE = "^/[!-~]{0,1023}$"


def _written_as(pattern: str, complaint: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Return how text of a pattern is checked, and how the document tells it."""

    def checked(text: str | SecretStr) -> str | SecretStr:
        plain = text if isinstance(text, str) else text.get_secret_value()
        if not re.fullmatch(pattern[1:-1], plain):
            raise ValueError(complaint)
        return text

    return AfterValidator(checked), WithJsonSchema({"type": "string", "pattern": pattern})


def _moment(value: object) -> datetime:
    """Return the moment in UTC; without a time zone it would mean another one on each machine."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no moment; write ISO 8601 with a time zone, such as 2030-01-31T00:00:00Z") from None


def _alias(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("has characters that cannot be printed, or blanks around it")
    return text


def _notes(notes: dict[str, Any]) -> dict[str, Any]:
    if _is_deeper(notes, DEEPEST):
        raise ValueError(f"is nested deeper than {DEEPEST} levels")
    return notes


def _is_deeper(value: object, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in parts)


Reference = Annotated[
    SecretStr,
    Field(min_length=1, max_length=512, description="The key itself, its SHA-256 in hex, or its key_id."),
]
NewKey = Annotated[
    SecretStr, *_written_as(_NEW_KEY, "is not 16 to 256 letters, digits and -._~, or looks like a key_id")
]
Alias = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_alias)]
Duration = Annotated[str, *_written_as(_DURATION, "is no duration; write 30s, 15m, 12h, 30d or 4w")]
Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
RoutePath = Annotated[str, *_written_as(_ROUTE, "is no path of a route; begin it with a slash")]
Notes = Annotated[dict[str, Any], AfterValidator(_notes)]


class Form(BaseModel):
    """What all forms share: no unknown field, no bent type, no value in an error.

    Their validators are built when the first is used: no start waits for them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True, defer_build=True)


class KeyFields(Form):
    """What can be said of a key. Left out: as it is, for a new key nothing; null: cleared."""

    model_config = ConfigDict(json_schema_extra={"not": _BOTH_ENDS})

    key_alias: Alias | None = Field(default=None, description="Its name in logs and metrics; no two keys share one.")
    duration: Duration | None = Field(default=None, description="How long it lives from now: 30s, 15m, 12h, 30d, 4w.")
    expires: Moment | None = Field(default=None, description="When it ends, instead of `duration`: ISO 8601.")
    rpm_limit: Annotated[int, Field(ge=0, le=MOST)] | None = Field(
        default=None, description="Requests in any 60 s, over all routes; 0 refuses every request (403)."
    )
    max_parallel_requests: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        default=None, description="Requests at one time."
    )
    metadata: Notes | None = Field(default=None, description="Your own notes.", repr=False)
    allowed_passthrough_routes: Annotated[list[RoutePath], Field(max_length=MOST_AT_ONCE)] | None = Field(
        default=None, description="Paths of routes it may use, with what lies below them; every route if empty."
    )
    blocked: bool | None = Field(default=None, description="Whether it is refused.")

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.duration is not None and self.expires is not None:
            raise ValueError("duration and expires both say when the key ends; send one of them")
        return self

    def columns(self, now_s: float) -> dict[str, Any]:
        """Return the table's columns that were sent, with their values; `now_s` is Unix time."""
        sent = {name: getattr(self, name) for name in self.model_fields_set & _CLEARED.keys()}
        columns = {name: _CLEARED[name] if value is None else value for name, value in sent.items()}
        if {"duration", "expires"} & self.model_fields_set:
            columns["expires_s"] = self._expires_s(now_s)
        return columns

    def _expires_s(self, now_s: float) -> float | None:
        if self.duration is not None:
            return now_s + timedelta(seconds=int(self.duration[:-1]) * _UNITS_S[self.duration[-1]]).total_seconds()
        return None if self.expires is None else self.expires.timestamp()


_CLEARED: dict[str, Any] = {
    "key_alias": None,
    "rpm_limit": None,
    "max_parallel_requests": None,
    "metadata": {},
    "allowed_passthrough_routes": [],
    "blocked": False,
}


class GenerateForm(KeyFields):
    """A new key."""

    key: NewKey | None = Field(default=None, description="The key, if you choose it yourself.")


class UpdateForm(KeyFields):
    """A change of a key."""

    key: Reference


class RegenerateForm(UpdateForm):
    """A new secret for a key; the old one ends at once."""

    new_key: NewKey | None = Field(default=None, description="The new key, if you choose it yourself.")


class KeyForm(Form):
    """Which key is meant."""

    key: Reference


class DeleteForm(Form):
    """Which keys are to go: by `keys` or by `key_aliases`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["keys"], "properties": {"keys": {"type": "array"}}},
                {"required": ["key_aliases"], "properties": {"key_aliases": {"type": "array"}}},
            ]
        }
    )

    keys: Annotated[list[Reference], Field(min_length=1, max_length=MOST_AT_ONCE)] | None = None
    key_aliases: Annotated[list[Alias], Field(min_length=1, max_length=MOST_AT_ONCE)] | None = None

    @model_validator(mode="after")
    def _names_one_list(self) -> Self:
        if (self.keys is None) == (self.key_aliases is None):
            raise ValueError("send either keys or key_aliases")
        return self


class Query(Form):
    """What stands in a query is text: it is read as what it means."""

    model_config = ConfigDict(strict=False)


class InfoQuery(Query):
    """Which key is meant."""

    key: Reference


class ListQuery(Query):
    """Which keys are to be listed."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default=1, description="Which page, from 1.")
    size: Annotated[int, Field(ge=1, le=100)] = Field(default=10, description="Keys on a page.")
    key_alias: Annotated[str, Field(max_length=255)] | None = Field(default=None, description="Only the key with it.")
    key_hash: Reference | None = Field(default=None, description="Only the key with this SHA-256 or key_id.")
    return_full_object: bool = Field(default=False, description="Whole keys instead of their key_ids.")
