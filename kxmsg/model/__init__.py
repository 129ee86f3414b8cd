"""Plain data: what travels, what is stored. No behaviour beyond parsing and validation."""
