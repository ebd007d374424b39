"""The wire schemas of other providers' SDKs, in front of `litellm.completion`: pure functions, no I/O.

`anthropic_adapter`, `bedrock_adapter` and `gemini_adapter` are made when they are first asked for (PEP 562).
"""


def __getattr__(name: str) -> object:
    from app.adapters.shipped import adapter

    return adapter(name)
