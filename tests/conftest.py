"""What holds for every test."""

from hypothesis import settings

# A busy machine may take long over one example; pytest's own timeout bounds the whole.
settings.register_profile("corral", deadline=None)
settings.load_profile("corral")
