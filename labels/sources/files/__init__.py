"""Local files to rows of columns and cells: each kind is read by a module of its own."""
