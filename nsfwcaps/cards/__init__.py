"""Measured facts to cards: every number in a card is read from a manifest, none is typed."""
