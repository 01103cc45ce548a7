"""Checks and generated pages of the documentation: `make docs` runs them."""
