"""Connections to each worker of a gateway, for what must hold in every one of them (Linux)."""

from __future__ import annotations

from pathlib import Path

from tests.kit.client import Client
from tests.kit.gateway import Gateway

MOST_CONNECTIONS = 2000
TABLES = Path("/proc/net/tcp"), Path("/proc/net/tcp6")


def client_of_each(gateway: Gateway) -> dict[int, Client]:
    """Return {pid: a connection which that worker has accepted}, for all that are there.

    Whoever is free accepts, so connections are made until each worker has got one.
    """
    found: dict[int, Client] = {}
    for _ in range(MOST_CONNECTIONS):
        missing = set(gateway.worker_pids()) - set(found)
        if not missing:
            return found
        client = gateway.client()
        assert client.ask("GET", "/health/liveliness").status == 200
        pid = worker_of(gateway, client)
        if pid in missing:
            found[pid] = client
        else:
            client.close()
    raise AssertionError(f"no connection reached {missing}")


def worker_of(gateway: Gateway, client: Client) -> int:
    """Return the pid of the worker that serves this connection."""
    inode = _inode(gateway.port, client.sock.getsockname()[1])
    return next(pid for pid in gateway.worker_pids() if f"socket:[{inode}]" in _open_files(pid))


def _inode(own_port: int, peer_port: int) -> str:
    """Return the inode of the gateway's end of a connection, as proc(5) tells it."""
    ends = f":{own_port:04X}", f":{peer_port:04X}"
    for line in (line for table in TABLES for line in table.read_text().splitlines()[1:]):
        columns = line.split()
        if (columns[1][-5:], columns[2][-5:]) == ends:
            return columns[9]
    raise LookupError(f"no connection from port {peer_port}")


def _open_files(pid: int) -> set[str]:
    folder = Path(f"/proc/{pid}/fd")
    names = set()
    for file in folder.iterdir():
        try:
            names.add(str(file.readlink()))
        except FileNotFoundError:  # Closed while we were looking.
            continue
    return names
