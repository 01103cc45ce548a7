"""Tasks: vectors in, an `Outcome` out; no model, no file."""
