"""Converse as boto3 reads and writes it, with the schema in the place of the network."""
