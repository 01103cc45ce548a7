"""Mining on arrays: candidates, hubness penalties, selection of pairs, difficulty."""
