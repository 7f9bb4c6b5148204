"""One file per section of results.json."""
