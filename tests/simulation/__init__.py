"""A simulator of guarded turns: virtual time, scripted model and guards, seeded faults."""
