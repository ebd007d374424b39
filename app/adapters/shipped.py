"""The adapters that come with the gateway, under the names that `target` has for them."""

from functools import cache
from importlib import import_module

from app.adapters.three_methods import ThreeMethods

# Attribute of `app.adapters`: module and class of its schema, and the operation that its three methods take.
SHIPPED = {
    "anthropic_adapter": ("app.adapters.anthropic.schema", "AnthropicSchema", "messages"),
    "bedrock_adapter": ("app.adapters.bedrock.schema", "BedrockSchema", "converse"),
    "gemini_adapter": ("app.adapters.gemini.schema", "GeminiSchema", "generateContent"),
}


@cache
def adapter(name: str) -> ThreeMethods:
    """Return the adapter of this name; raises AttributeError for any other."""
    if name not in SHIPPED:
        raise AttributeError(f"app.adapters has no {name}; it has {', '.join(SHIPPED)}")
    module, schema, operation = SHIPPED[name]
    return ThreeMethods(getattr(import_module(module), schema)(), operation)
