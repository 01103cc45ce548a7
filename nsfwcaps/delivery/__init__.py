"""Files for the user: copied whole, with the modes of the umask, never over work of their own."""
