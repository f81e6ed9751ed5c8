"""A plugin in a process of its own: what it breaks is its own call."""
