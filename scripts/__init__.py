"""The m3scale commands, one click command a file."""
