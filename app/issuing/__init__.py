"""Room: issues, changes and revokes gateway keys, for the API and the command line alike."""
