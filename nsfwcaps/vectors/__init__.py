"""Arrays: encoders, vectors on disk, nearest neighbours, hubness, selection, difficulty."""
