"""The m3scale commands, one click command per file."""
