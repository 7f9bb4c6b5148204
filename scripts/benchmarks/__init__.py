"""Speed and memory benchmarks, started with `python -m`."""
