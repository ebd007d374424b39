"""Anthropic's Messages: what is refused, and Anthropic's own SDK as the judge of what comes out."""
