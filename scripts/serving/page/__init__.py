"""The page at `/`, as a browser and as the server have it."""
