"""What a review has shown so far: progress and agreement."""
