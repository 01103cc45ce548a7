"""Files of a review for others: written here, and read back for publishing."""
