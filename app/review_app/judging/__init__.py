"""The judging page: one component in the browser, and what the server does with its messages."""
