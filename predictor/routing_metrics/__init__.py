"""What routing is judged by, on arrays alone."""
