"""What watchers read: logs now, metrics later."""
