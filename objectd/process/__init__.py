"""Processes: what they need of the system, and how they talk to each other."""
