"""Text: readers of caption pools, cleaning, content ids, splits. No stage is imported here."""
