"""`python -m nsfwcaps` is the `nsfwcaps` command."""

from nsfwcaps.cli import main

main()
