"""Physical constants, each used in one place only by name."""

EARTH_RADIUS = 6_371_000.0
"""Mean radius of the Earth [m]."""

EARTH_ROTATION = 7.2921e-5
"""Angular velocity of the Earth [s-1]; the value behind the published feature scaler."""

GRAVITY = 9.81
"""Gravitational acceleration [m s-2]."""

SVERDRUP = 1e6
"""One sverdrup [m3 s-1]."""
