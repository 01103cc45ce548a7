"""The suite of a paper: its data sets, its tasks, and its tables beside measured figures."""
