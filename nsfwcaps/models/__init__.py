"""Models: names, loading, trained runs, export."""
