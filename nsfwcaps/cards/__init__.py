"""Cards from measured facts: every number in a card comes from a manifest."""
