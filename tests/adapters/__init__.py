"""Each wire schema, over recorded pairs, against its provider's own reading of what comes out."""
