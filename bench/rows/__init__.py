"""One module for each table of figures."""
