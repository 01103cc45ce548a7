"""`nsfwcaps review` and its subcommands."""
