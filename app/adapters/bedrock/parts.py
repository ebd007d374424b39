"""What a user shows a model, as parts of an OpenAI message: text, images, documents, sound, video.

ContentBlock of the Bedrock runtime API (2023-09-30, service model of botocore 1.44); content parts of OpenAI's Chat
Completions. Text formats of documents become text, for hardly a model behind that API reads such files.
"""

import base64
import binascii
from html import escape

from app.adapters.bedrock.reading import Json, items, kind, members, name, one_of, text, wrong

Part = dict[str, Json]

IMAGES = {form: f"image/{form}" for form in ("png", "jpeg", "gif", "webp")}
VIDEOS = {
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "wmv": "video/x-ms-wmv",
    "three_gp": "video/3gpp",
}
SOUNDS = {form: form for form in "mp3 opus wav aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm".split()}
TEXTS = {form: form for form in ("txt", "md", "csv", "html")}
DOCUMENTS = {
    **TEXTS,
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

_PDF = "JVBER"  # base64 of "%PD", with which every PDF begins


def parts(block: tuple[str, Json], field: str, dropped: list[str]) -> list[Part]:
    """Return what one block of `kinds.SHOWN` becomes; `field` is the block's."""
    shape, value = block
    inner = f"{field}.{shape}"
    if shape == "text":
        return [text_part(text(value, inner))]
    return _READERS[shape](members(value, inner), inner, dropped)


def text_part(value: str) -> Part:
    return {"type": "text", "text": value}


def content(found: list[Part]) -> Json:
    """Return the content of a message: a plain string where it is one text, which every server reads."""
    if len(found) == 1 and found[0].keys() == {"type", "text"}:
        return found[0]["text"]
    return found


def _image(value: dict[str, Json], field: str, _dropped: list[str]) -> list[Part]:
    media_type = one_of(value.get("format"), f"{field}.format", IMAGES)
    return [{"type": "image_url", "image_url": {"url": _data_url(media_type, _bytes(value, field))}}]


def _video(value: dict[str, Json], field: str, _dropped: list[str]) -> list[Part]:
    media_type = one_of(value.get("format"), f"{field}.format", VIDEOS)
    return [{"type": "file", "file": {"file_data": _data_url(media_type, _bytes(value, field))}}]


def _audio(value: dict[str, Json], field: str, _dropped: list[str]) -> list[Part]:
    form = one_of(value.get("format"), f"{field}.format", SOUNDS)
    return [{"type": "input_audio", "input_audio": {"data": _bytes(value, field), "format": form}}]


def _document(value: dict[str, Json], field: str, dropped: list[str]) -> list[Part]:
    title = name(value.get("name"), f"{field}.name")
    if "citations" in value:
        dropped.append(f"{field}.citations")
    about = text(value.get("context", ""), f"{field}.context")
    before = [text_part(f"About the document {title}: {about}")] if about else []
    return [*before, _document_part(value, title, field)]


def _document_part(value: dict[str, Json], title: str, field: str) -> Part:
    shape, source = kind(value.get("source"), f"{field}.source", frozenset({"bytes", "s3Location", "text", "content"}))
    inner = f"{field}.source.{shape}"
    if shape == "text":
        return _page(title, text(source, inner))
    if shape == "content":
        return _page(title, _texts(source, inner))
    octets = _bytes(value, field)
    form = text(value.get("format", "pdf" if octets.startswith(_PDF) else "txt"), f"{field}.format")
    media_type = one_of(form, f"{field}.format", DOCUMENTS)
    if form in TEXTS:
        return _page(title, _decoded(octets, inner))
    file_name = title if title.endswith(f".{form}") else f"{title}.{form}"
    return {"type": "file", "file": {"filename": file_name, "file_data": _data_url(media_type, octets)}}


def _guard(value: dict[str, Json], field: str, dropped: list[str]) -> list[Part]:
    shape, inner = kind(value, field, frozenset({"text", "image"}))
    dropped.append(field)  # the words are carried, and that they are to be guarded is not
    guarded = members(inner, f"{field}.{shape}")
    if shape == "image":
        return _image(guarded, f"{field}.image", dropped)
    return [text_part(text(guarded.get("text"), f"{field}.text.text"))]


def _citations(value: dict[str, Json], field: str, dropped: list[str]) -> list[Part]:
    if "citations" in value:
        dropped.append(f"{field}.citations")
    return [text_part(text(member, inner)) for member, inner in _inner_texts(value.get("content", []), field)]


def _search_result(value: dict[str, Json], field: str, dropped: list[str]) -> list[Part]:
    if "citations" in value:
        dropped.append(f"{field}.citations")
    source = escape(text(value.get("source"), f"{field}.source"))
    title = escape(text(value.get("title"), f"{field}.title"))
    found = _texts(value.get("content"), f"{field}.content")
    return [text_part(f'<search_result source="{source}" title="{title}">\n{found}\n</search_result>')]


_READERS = {
    "image": _image,
    "document": _document,
    "video": _video,
    "audio": _audio,
    "guardContent": _guard,
    "citationsContent": _citations,
    "searchResult": _search_result,
}


def _page(title: str, words: str) -> Part:
    return text_part(f'<document name="{escape(title)}">\n{words}\n</document>')


def _texts(value: Json, field: str) -> str:
    return "\n".join(text(members(item, inner).get("text"), f"{inner}.text") for item, inner in items(value, field))


def _inner_texts(value: Json, field: str) -> list[tuple[Json, str]]:
    blocks = items(value, f"{field}.content")
    return [(members(item, inner).get("text"), f"{inner}.text") for item, inner in blocks]


def _bytes(value: dict[str, Json], field: str) -> str:
    """Return the base64 of a source; the gateway has no credential to read a client's S3 with."""
    shape, source = kind(value.get("source"), f"{field}.source", frozenset({"bytes", "s3Location", "text", "content"}))
    inner = f"{field}.source.{shape}"
    if shape != "bytes":
        raise wrong(inner, "cannot be read here; send the bytes themselves")
    _octets(source, inner)
    return str(source)


def _octets(value: Json, field: str) -> bytes:
    try:
        return base64.b64decode(name(value, field), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(field, "must be base64") from error


def _decoded(octets: str, field: str) -> str:
    try:
        return _octets(octets, field).decode()
    except UnicodeDecodeError as error:
        raise wrong(field, "must be UTF-8 text in this format") from error


def _data_url(media_type: str, octets: str) -> str:
    return f"data:{media_type};base64,{octets}"
