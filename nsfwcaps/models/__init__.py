"""Models by name: what a name means, how it is loaded, trained runs, export."""
