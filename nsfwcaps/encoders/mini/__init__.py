"""The bundled dual encoder: two small public towers with heads that map both into one space."""
