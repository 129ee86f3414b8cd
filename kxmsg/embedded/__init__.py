"""The embedded backend: queues, topics, bus, tables and files on SQLite, one machine, no account."""
