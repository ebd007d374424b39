"""One part of a content: which kind it is, and its text or media as OpenAI's content parts."""

import base64
from typing import Any

from app.adapters.gemini.reading import Given
from app.adapters.gemini.signatures import is_base64, standard
from app.errors import InvalidRequest

Json = Any
CARRIED = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
NOT_CARRIED = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
# OpenAI's names of audio formats; others are left as they are, for models that know more of them.
AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".heic", ".heif")
DETAILS = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_MEDIUM": "auto", "MEDIA_RESOLUTION_HIGH": "high"}


def kind(part: Given) -> str | None:
    """Return the one kind of a part; None for one that cannot be carried, which is dropped, or holds a mark only."""
    found = [name for name in (*CARRIED, *NOT_CARRIED) if part.has(name)]
    if len(found) > 1:
        raise InvalidRequest(f"{part.place} has both {found[0]} and {found[1]}.", param=part.place)
    if found:
        return found[0] if found[0] in CARRIED else None
    if part.has("thoughtSignature"):
        return None
    raise InvalidRequest(
        f"{part.place} has none of {', '.join(CARRIED)}; its fields: {', '.join(part.unread()) or 'none'}.",
        param=part.place,
    )


def media(part: Given, name: str, detail: str | None) -> dict[str, Json]:
    """Return the content part of an inlineData or fileData; `detail` is the request's own for images."""
    resolution = part.object("mediaResolution")
    level = resolution.string("level") if resolution else None
    told = part.object(name)
    assert told is not None
    made = _inline(told, DETAILS.get(level or "", detail)) if name == "inlineData" else _by_uri(told, detail)
    told.drop_rest()
    return made


def _inline(blob: Given, detail: str | None) -> dict[str, Json]:
    mime, data = _mime(blob), standard(blob.needed("data"))
    name = blob.string("displayName")
    if not is_base64(data):
        raise blob.wrong("data", "is not base64")
    family, _, subtype = mime.partition("/")
    if family == "image":
        return _image({"url": f"data:{mime};base64,{data}"}, detail)
    if family == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": AUDIO_FORMATS.get(subtype, subtype)}}
    text = _text(data) if family == "text" else None
    if text is not None:
        return {"type": "text", "text": text}
    named = {"filename": name} if name else {}
    return {"type": "file", "file": {"file_data": f"data:{mime};base64,{data}", **named}}


def _mime(blob: Given) -> str:
    """Return the type without its parameters, lower case: "image/png"."""
    mime = blob.needed("mimeType").partition(";")[0].strip().lower()
    if not all(mime.partition("/")):
        raise blob.wrong("mimeType", "is no media type")
    return mime


def _text(data: str) -> str | None:
    try:
        return base64.b64decode(data).decode()
    except UnicodeDecodeError:
        return None


def _by_uri(told: Given, detail: str | None) -> dict[str, Json]:
    """An image by its URL; any other file by `file_id`, which is litellm's way to tell a URL."""
    uri = told.needed("fileUri")
    mime = _mime(told) if told.has("mimeType") else None
    told.drop("displayName")
    # litellm's own `format`, which it never sends to OpenAI: most addresses do not tell the type.
    stated = {"format": mime} if mime else {}
    if mime.startswith("image/") if mime else uri.lower().endswith(IMAGE_ENDINGS):
        return _image({"url": uri, **stated}, detail)
    return {"type": "file", "file": {"file_id": uri, **stated}}


def _image(image: dict[str, str], detail: str | None) -> dict[str, Json]:
    return {"type": "image_url", "image_url": {**image, **({"detail": detail} if detail else {})}}
