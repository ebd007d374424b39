"""Which content blocks there are, and in whose turn (ContentBlock of the Bedrock runtime API, 2023-09-30)."""

SPOKEN = frozenset({"text", "citationsContent"})
SHOWN = SPOKEN | frozenset("image document video audio guardContent searchResult".split())
ASSISTANT_ONLY = frozenset({"toolUse", "reasoningContent"})
TOOL_LISTS = frozenset({"toolAddition", "toolRemoval"})
KINDS = SHOWN | ASSISTANT_ONLY | TOOL_LISTS | {"toolResult", "cachePoint"}
SYSTEM_KINDS = frozenset({"text", "guardContent", "cachePoint"})
