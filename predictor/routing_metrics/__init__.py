"""Metrics of routing, on arrays alone."""
