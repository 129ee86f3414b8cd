"""The stages, one module each, written against kxmsg's public worker API."""
