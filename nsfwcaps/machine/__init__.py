"""What this machine can do, measured, and what will limit each kind of work."""
