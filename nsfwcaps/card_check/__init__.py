"""Whether the card and the Croissant file of a published data set agree with its data."""
