"""Programs that measure what the gateway promises."""
