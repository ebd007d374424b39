"""Tollhouse: a pass-through gateway for AI and observability APIs."""
