"""Data sets to evaluate on: pairs, classes and bare images, in the layouts they come in."""
