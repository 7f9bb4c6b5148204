"""Outcomes that another tool measured: a reader for each layout, and the run that results."""
