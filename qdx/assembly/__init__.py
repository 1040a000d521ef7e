"""Config to parts: the only room that knows every class."""
