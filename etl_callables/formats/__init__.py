"""How posts are written down: one module a format."""
