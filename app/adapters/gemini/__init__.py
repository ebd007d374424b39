"""Google's wire format, of the Gemini API and of Vertex: generateContent, streamGenerateContent, countTokens.

Shapes after the API reference v1beta (ai.google.dev/api, 2026) and the types of google-genai 3.4.0.
"""
