"""Gemini's wire format: what google-genai sends and reads, in this process, and the pieces below."""
