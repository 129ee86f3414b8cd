"""The walk: every line of the contract on events and REST, from outside, against the running product.

``walker`` has what a walk is made with; ``inbox``, ``talk``, ``rooms``, ``people`` and ``answers`` are walks, each on
tenants of its own; ``test_walk`` takes them on each backend, and tells which operations of the API none came by.
"""
