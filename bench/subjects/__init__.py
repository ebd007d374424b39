"""One module for each program that is measured: how it is started, and asked."""
