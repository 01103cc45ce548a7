"""The public Python API: the pipeline as a whole, and its parts on arrays."""
