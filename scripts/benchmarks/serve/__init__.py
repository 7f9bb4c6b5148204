"""`python -m scripts.benchmarks.serve`: adaptive serving under load, beside a fixed scale."""
