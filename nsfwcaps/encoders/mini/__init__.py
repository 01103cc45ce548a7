"""The bundled dual encoder: two small public towers, and heads that map both into one space."""
