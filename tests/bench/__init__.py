"""Tests of the arithmetic of bench/: what it counts, and what it makes of it."""
