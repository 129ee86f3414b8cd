"""Repositories: what the product keeps, over the Tables port, written once for every backend."""
