"""How hypothesis runs: the same examples everywhere, no clock, no search for smaller ones."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "tunelog",
    deadline=None,
    derandomize=True,
    print_blob=False,
    database=None,
    # A whole lake for each example: shrinking one would take minutes.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,  # connections that each example fills anew
    ],
)
settings.load_profile("tunelog")
