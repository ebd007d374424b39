"""Door to ledger: real gunicorn between a raw client and a scripted upstream."""
