"""Training of the heads of `mini`; not part of the wheel."""
