"""Issues, changes and revokes keys; knows the rules, and nothing of HTTP."""

import secrets
import time
from collections.abc import Callable, Collection

from pydantic import SecretStr

from app.errors import InvalidRequest, Refusal
from app.issuing.answers import DeletedKeys, IssuedKey, KeyInfo, KeyList, KeyRow, UpdatedKey
from app.issuing.forms import (
    DeleteForm,
    GenerateForm,
    InfoQuery,
    KeyFields,
    KeyForm,
    ListQuery,
    RegenerateForm,
    UpdateForm,
)
from app.principal import digest_of
from app.stores.keys import DIGEST, KEY_ID, KeyStore, Taken
from app.stores.schema import StoredKey, stored_key

# Said of such keys to the master key, which may know them; the store cannot change them.
IN_FILE = "stands in the settings file: change it there and send SIGHUP"
COMPLAINTS = {"key_alias": "belongs to another key", "key": "exists already", "new_key": "exists already"}


class KeyNotFound(Refusal):
    """The store has no such key, or one of several: then nothing was done."""

    status, code = 404, "key_not_found"


def new_secret() -> str:
    """Return a new key, of 256 random bits, in LiteLLM's form."""
    return "sk-" + secrets.token_urlsafe(32)


class Issuer:
    """What the master key may ask. Every method raises StoreUnavailable, most KeyNotFound or InvalidRequest."""

    def __init__(
        self,
        store: KeyStore,
        is_own: Callable[[str], bool] = lambda _secret: False,
        own_aliases: Collection[str] = (),
        now: Callable[[], float] = time.time,
        new_secret: Callable[[], str] = new_secret,
    ) -> None:
        """`is_own` tells the master key and the file's keys, `own_aliases` are theirs: no other key gets one.

        `now` is Unix time in seconds.
        """
        self._store = store
        self._is_own = is_own
        self._own_aliases = own_aliases
        self._now = now
        self._new_secret = new_secret

    def generate(self, form: GenerateForm) -> IssuedKey:
        """Return a new key, secret included."""
        now_s = self._now()
        secret = self._secret(form.key, "key")
        traces = _traces(secret)
        key_id = traces["digest"][:16]
        stored = stored_key({**self._columns(form), **traces, "key_id": key_id, "created_s": now_s, "updated_s": now_s})
        try:
            self._store.add(stored)
        except Taken as taken:
            raise _refusal(taken.field) from None
        return IssuedKey.of(stored, key=secret, token_id=stored.key_id)

    def update(self, form: UpdateForm) -> UpdatedKey:
        """Return the key with what was sent changed."""
        stored = self._change(form.key, self._columns(form))
        return UpdatedKey.of(stored, key=stored.key_id)

    def regenerate(self, form: RegenerateForm) -> IssuedKey:
        """Return the key with another secret; the one it had opens nothing any more.

        It is the same key: it keeps its key_id, under which its requests are counted.
        """
        secret = self._secret(form.new_key, "new_key")
        stored = self._change(form.key, self._columns(form) | _traces(secret), field="new_key")
        return IssuedKey.of(stored, key=secret, token_id=stored.key_id)

    def block(self, form: KeyForm) -> KeyRow:
        """Refuse the key until it is unblocked."""
        return KeyRow.of(self._change(form.key, {"blocked": True}))

    def unblock(self, form: KeyForm) -> KeyRow:
        """Let the key in again."""
        return KeyRow.of(self._change(form.key, {"blocked": False}))

    def delete(self, form: DeleteForm) -> DeletedKeys:
        """Delete the keys, or none when one of them does not exist."""
        references = [key.get_secret_value() for key in form.keys or ()]
        aliases = form.key_aliases or []
        key_ids = self._store.delete(references, aliases)
        if None in key_ids.values():
            field = "keys" if references else "key_aliases"
            own = [*filter(self._is_own, references), *(alias for alias in aliases if alias in self._own_aliases)]
            told = f"one {IN_FILE}; nothing was deleted." if own else "nothing was deleted."
            raise KeyNotFound(f"Not all of {field} exist in the store; {told}", param=field)
        public = [name if _is_public(name) else str(key_ids[name]) for name in references]
        return DeletedKeys(deleted_keys=public + aliases)

    def info(self, form: InfoQuery) -> KeyInfo:
        """Return one key."""
        stored = self._store.read(form.key.get_secret_value())
        if stored is None:
            raise self._not_found(form.key)
        return KeyInfo(key=stored.key_id, info=KeyRow.of(stored))

    def list(self, form: ListQuery) -> KeyList:
        """Return a page of keys."""
        reference = None if form.key_hash is None else form.key_hash.get_secret_value()
        found, total = self._store.page(
            (form.page - 1) * form.size, form.size, key_alias=form.key_alias, reference=reference
        )
        return KeyList(
            keys=[KeyRow.of(key) for key in found] if form.return_full_object else [key.key_id for key in found],
            total_count=total,
            current_page=form.page,
            total_pages=-(-total // form.size),
        )

    def _secret(self, chosen: SecretStr | None, field: str) -> str:
        secret = self._new_secret() if chosen is None else chosen.get_secret_value()
        if self._is_own(secret):
            raise _refusal(field)
        return secret

    def _columns(self, form: KeyFields) -> dict[str, object]:
        columns = form.columns(self._now())
        if columns.get("key_alias") in self._own_aliases:
            raise _refusal("key_alias")
        return columns

    def _change(self, key: SecretStr, columns: dict[str, object], field: str = "key") -> StoredKey:
        try:
            stored = self._store.change(key.get_secret_value(), {**columns, "updated_s": self._now()})
        except Taken as taken:
            raise _refusal("key_alias" if taken.field == "key_alias" else field) from None
        if stored is None:
            raise self._not_found(key)
        return stored

    def _not_found(self, key: SecretStr) -> KeyNotFound:
        more = f"; it {IN_FILE}" if self._is_own(key.get_secret_value()) else ""
        return KeyNotFound(f"The store has no such key{more}.", param="key")


def _traces(secret: str) -> dict[str, str]:
    """Return the columns that a secret leaves behind."""
    return {"digest": digest_of(secret), "key_name": f"sk-...{secret[-4:]}"}


def _is_public(reference: str) -> bool:
    """Tell whether this names a key without being its secret."""
    return bool(KEY_ID.fullmatch(reference) or DIGEST.fullmatch(reference))


def _refusal(field: str) -> InvalidRequest:
    return InvalidRequest(f"{field} {COMPLAINTS[field]}.", param=field)
