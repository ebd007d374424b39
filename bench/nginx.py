"""What any nginx of ours needs said."""

from __future__ import annotations

import os

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def main_settings() -> str:
    """Return the settings outside of http: one worker, in the foreground, as the user who runs the bench."""
    # nginx started by root hands its worker to another user, who may not read our files.
    user = "user root; " if os.geteuid() == 0 else ""
    process = "worker_processes 1; worker_rlimit_nofile 20000; daemon off; pid FOLDER/nginx.pid;"
    return f"{user}{process} error_log FOLDER/error.log; events {{ worker_connections 20000; }}"


def http_settings() -> str:
    """Return the settings inside of http: connections that last, and temporary files in FOLDER."""
    paths = " ".join(f"{name}_temp_path FOLDER/{name};" for name in TEMPORARY)
    return f"access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; client_max_body_size 0; {paths}"
