"""What is evaluated on: pairs, classes and bare images, from the layouts in which they come."""
