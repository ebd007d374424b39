"""The providers' own SDKs, pointed at a gateway with a gateway key: what the upstream saw, what the SDK raised."""
