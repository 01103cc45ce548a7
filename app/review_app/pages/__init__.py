"""One page a module: `draw` shows it."""
