"""Caption text: pool readers, cleaning, content ids, splits. Imports no stage."""
