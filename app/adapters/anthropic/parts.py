"""Content blocks of a Messages request that a model reads, as content parts of a chat message.

Images become data or web addresses, documents files (OpenAI API reference, Chat Completions, content parts);
`cache_control` stays on its part, where litellm hands it to the providers that know it and takes it off for others.
"""

from __future__ import annotations

from app.adapters.anthropic.reading import Json, Members, refuse

Part = dict[str, Json]
Dropped = list[str]

# Of tools that run on Anthropic's side, which no other model has: dropped, so that a conversation can move here.
HOSTED = frozenset(
    "bash_code_execution_tool_result browser_state code_execution_tool_result compaction container_upload "
    "mcp_tool_result mcp_tool_use server_tool_use text_editor_code_execution_tool_result tool_reference "
    "tool_search_tool_result web_fetch_tool_result web_search_tool_result".split()
)

# A file that the provider holds has an id and no type. litellm tells a document from an image by this, for Anthropic's
# own models, and keeps it from the others.
AN_IMAGE, A_DOCUMENT = "image/png", "application/pdf"


def marked(part: Part, block: Members) -> Part:
    """Return the part with the block's cache breakpoint, where it has one."""
    return part if block.raw("cache_control") is None else {**part, "cache_control": block.object("cache_control")}


def text_part(block: Members) -> Part:
    return marked({"type": "text", "text": block.text("text")}, block)


def plain(parts: list[Part]) -> str | list[Part]:
    """Return content in its simplest form, which every server takes: a text where that says it all."""
    if not parts:
        return ""
    return parts[0]["text"] if len(parts) == 1 and set(parts[0]) == {"type", "text"} else parts


def blocks_of(holder: Members, name: str) -> list[tuple[Json, str]]:
    """Return (block, its place) of a content, of which a text is the short form."""
    content = holder.raw(name)
    if content is None:
        refuse(holder.at(name), "is required.")
    if isinstance(content, str):
        return [({"type": "text", "text": content}, holder.at(name))]
    if not isinstance(content, list):
        refuse(holder.at(name), "must be a string or a list of content blocks.")
    return holder.values(name)


def read_parts(blocks: list[tuple[Json, str]], dropped: Dropped, allowed: tuple[str, ...]) -> list[Part]:
    """Return the parts of these blocks; kinds that are not allowed here are refused, with their place."""
    parts: list[Part] = []
    for value, place in blocks:
        block = Members(value, place)
        kind = kind_of(block, allowed)
        if kind in HOSTED:
            dropped.append(place)
        else:
            parts += READERS[kind](block, dropped)
            dropped += block.unread()
    return parts


def kind_of(block: Members, allowed: tuple[str, ...]) -> str:
    """Return the block's type; refuses one that does not belong here, or that no API reference knows."""
    kind = block.text("type")
    if kind not in allowed and kind not in HOSTED:
        refuse(block.at("type"), f"{kind[:60]!r} is no block that can stand here; known are {', '.join(allowed)}.")
    return kind


def _text(block: Members, dropped: Dropped) -> list[Part]:
    _drop(block, dropped, "citations")
    return [text_part(block)]


def _image(block: Members, dropped: Dropped) -> list[Part]:
    source = block.members("source")
    kind = source.one_of("type", ("base64", "url", "file"))
    if kind == "file":
        part = _file({"file_id": source.text("file_id"), "format": AN_IMAGE})
    else:
        url = _data_url(source) if kind == "base64" else source.text("url")
        part = {"type": "image_url", "image_url": {"url": url}}
    dropped += source.unread()
    return [marked(part, block)]


def _document(block: Members, dropped: Dropped) -> list[Part]:
    source = block.members("source")
    kind = source.one_of("type", tuple(_DOCUMENTS))
    title, context = block.text_or_none("title"), block.text_or_none("context")
    parts = _DOCUMENTS[kind](source, title, dropped)
    is_named = kind == "base64"
    dropped += source.unread()
    _drop_citations(block, dropped)
    said = [text for text in (None if is_named else title, context) if text]
    parts[-1:] = [marked(part, block) for part in parts[-1:]]
    return [{"type": "text", "text": "\n".join(said)}, *parts] if said else parts


def _search_result(block: Members, dropped: Dropped) -> list[Part]:
    """What a client found by itself: title and source first, then the texts."""
    _drop_citations(block, dropped)
    head = {"type": "text", "text": f"{block.text('title')}\n{block.text('source')}"}
    texts = read_parts(blocks_of(block, "content"), dropped, ("text",))
    texts[-1:] = [marked(part, block) for part in texts[-1:]]
    return [head, *texts]


def _base64_document(source: Members, title: str | None, _dropped: Dropped) -> list[Part]:
    return [_file({"file_data": _data_url(source), "filename": title or "document.pdf"})]


def _text_document(source: Members, _title: str | None, _dropped: Dropped) -> list[Part]:
    source.text_or_none("media_type")
    return [{"type": "text", "text": source.text("data")}]


def _document_of_parts(source: Members, _title: str | None, dropped: Dropped) -> list[Part]:
    return read_parts(blocks_of(source, "content"), dropped, ("text", "image"))


def _document_at(source: Members, _title: str | None, _dropped: Dropped) -> list[Part]:
    # litellm takes an address as a file's id, and gives it to the providers that fetch it themselves.
    return [_file({"file_id": source.text("url")})]


def _held_document(source: Members, _title: str | None, _dropped: Dropped) -> list[Part]:
    return [_file({"file_id": source.text("file_id"), "format": A_DOCUMENT})]


_DOCUMENTS = {
    "base64": _base64_document,
    "text": _text_document,
    "content": _document_of_parts,
    "url": _document_at,
    "file": _held_document,
}


def _file(file: dict[str, str]) -> Part:
    return {"type": "file", "file": file}


def _data_url(source: Members) -> str:
    return f"data:{source.text('media_type')};base64,{source.text('data')}"


def _drop(block: Members, dropped: Dropped, name: str) -> None:
    if block.raw(name):
        dropped.append(block.at(name))


def _drop_citations(block: Members, dropped: Dropped) -> None:
    """Citations are an object here; only those that are switched on are missed."""
    wanted = block.members_or_none("citations")
    if wanted is not None and wanted.flag("enabled"):
        dropped.append(block.at("citations"))


READERS = {"text": _text, "image": _image, "document": _document, "search_result": _search_result}
