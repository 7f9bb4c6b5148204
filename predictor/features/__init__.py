"""From coarse tokens and question embeddings to the rows routers learn from."""
