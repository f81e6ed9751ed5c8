"""Scripted stand-ins for tests, the simulator and latency benchmarks; never for production."""
