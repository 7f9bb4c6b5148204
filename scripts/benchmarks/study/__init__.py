"""The tables of README.md and docs/results.md, from the results of the draws."""
