"""Anthropic's Messages API in front of any model (API reference, version 2023-06-01, as of anthropic 2.12)."""
