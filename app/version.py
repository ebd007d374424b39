"""Which version of the gateway this is."""

# As in pyproject.toml; the gateway is run from a checkout and never installed.
VERSION = "0.1.0"
