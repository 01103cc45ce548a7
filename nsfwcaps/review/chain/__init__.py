"""The log itself: rows in a hash chain, and what they say about policy, people and queue."""
