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

# base64("canary-public-e4a3:canary-secret-91b7"), the one Authorization that the Langfuse pair becomes.
LANGFUSE_BASIC = "Y2FuYXJ5LXB1YmxpYy1lNGEzOmNhbmFyeS1zZWNyZXQtOTFiNw=="

# The clients', sent by tests in fields, queries and bodies.
CLIENT_KEY = "canary-client-key-0d66"
CLIENT_COOKIE = "canary-cookie-3a15"
CLIENT_BODY = "canary-body-f208"
CLIENT_QUERY = "canary-client-query-77ab"

ALL = (*OPERATOR.values(), LANGFUSE_BASIC, CLIENT_KEY, CLIENT_COOKIE, CLIENT_BODY, CLIENT_QUERY)


def found(octets: bytes) -> list[str]:
    """Return the canaries that stand in the octets."""
    return [canary for canary in ALL if canary.encode() in octets]
