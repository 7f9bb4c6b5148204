"""From results.json to HTML, Markdown and figures."""
