"""Which files of a folder, a glob or a card are a pool, and which splits of it."""
