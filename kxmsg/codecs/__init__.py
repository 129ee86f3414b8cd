"""How things look on the wire, queues' and clients'. Pure."""
