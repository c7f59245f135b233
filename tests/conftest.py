"""What all tests share: how long and how hard Hypothesis looks."""

from hypothesis import HealthCheck, settings

# The machine decides how long an example takes, not the code alone.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("suite")
