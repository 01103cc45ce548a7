"""Metrics: functions from NumPy arrays to numbers, without models or files."""
