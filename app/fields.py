"""A header or trailer section, as this house passes it along."""

Fields = list[tuple[str, str]]
"""(name, value) pairs in the order they came; repeats are kept apart (RFC 9110 §5.2, §5.3)."""
