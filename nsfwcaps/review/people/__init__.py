"""Who reviews: accounts, passwords and logins."""
