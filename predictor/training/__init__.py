"""Training, tuning and choosing a router."""
