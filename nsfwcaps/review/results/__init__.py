"""Results of a review so far: progress and agreement."""
