"""Shared settings of the tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Examples start an engine: a deadline would only measure the machine.
settings.register_profile("preinit", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("preinit")
