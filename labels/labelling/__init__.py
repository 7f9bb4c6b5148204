"""A labelling run: who asks what, when, and what is kept."""
