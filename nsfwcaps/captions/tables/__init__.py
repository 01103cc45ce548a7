"""Columns of a pool: names, kinds of values, nested cells, class labels, kept columns."""
