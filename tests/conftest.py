"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine may take long over one example; pytest's own timeout bounds the whole.
settings.register_profile("corral", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("corral")
