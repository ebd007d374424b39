"""HTTP/1.1 as spoken with clients: what a gunicorn worker of this gateway reads and writes."""
