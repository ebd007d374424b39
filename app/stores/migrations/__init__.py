"""How the key store's tables came to be, step by step (Alembic)."""
