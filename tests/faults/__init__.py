"""Faults on purpose: what RELIABILITY §4 promises, seeded, with a ledger on both sides; `make soak` runs it long."""
