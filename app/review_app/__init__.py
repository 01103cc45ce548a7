"""Pages on which people review pairs; `app/review.py` starts them."""
