"""Secrets that are planted everywhere and may be found nowhere."""

from __future__ import annotations

# The operator's, given in the environment and named in journeys/gateway.yaml.
OPERATOR = {
    "CREDENTIAL": "canary-credential-7c1f",
    "QUERY_CREDENTIAL": "canary-query-2b9e",
    "PARAM_CREDENTIAL": "canary-param-58d0",
    "PUBLIC_HALF": "canary-public-e4a3",
    "SECRET_HALF": "canary-secret-91b7",
    "MASTER_KEY": "canary-master-key-6e02-4c55-a1d8",
}

# In every gateway's environment, named in no file; and what the callers of tests/faults send as keys and cookies.
UNUSED = {f"UNUSED_{number}": f"canary-unused-{number:02}-{number * 7919:05}" for number in range(12)}
CALLERS = tuple(f"canary-caller-{number:02}-{number * 6007:05}" for number in range(12))

# base64("canary-public-e4a3:canary-secret-91b7"), the one Authorization that the Langfuse pair becomes.
LANGFUSE_BASIC = "Y2FuYXJ5LXB1YmxpYy1lNGEzOmNhbmFyeS1zZWNyZXQtOTFiNw=="

# The clients', sent by tests in fields, queries and bodies.
CLIENT_KEY = "canary-client-key-0d66"
CLIENT_COOKIE = "canary-cookie-3a15"
CLIENT_BODY = "canary-body-f208"
CLIENT_QUERY = "canary-client-query-77ab"

# The clients' gateway keys, in the files of gateways that have keys; the first two begin with the same 60 characters.
GATEWAY_KEYS = {
    "TEAM_KEY": "canary-gateway-key-" + "5" * 41 + "-team-d1c2",
    "TWIN_KEY": "canary-gateway-key-" + "5" * 41 + "-twin-77aa",
    "NARROW_KEY": "canary-gateway-key-narrow-30fe",
    "BLOCKED_KEY": "canary-gateway-key-blocked-8b1d",
    "EXPIRED_KEY": "canary-gateway-key-expired-e952",
}

ALL = (
    *OPERATOR.values(), LANGFUSE_BASIC, *GATEWAY_KEYS.values(), CLIENT_KEY, CLIENT_COOKIE, CLIENT_BODY, CLIENT_QUERY,
    *UNUSED.values(), *CALLERS,
)  # fmt: skip


def found(octets: bytes) -> list[str]:
    """Return the canaries that stand in the octets."""
    return [canary for canary in ALL if canary.encode() in octets]
