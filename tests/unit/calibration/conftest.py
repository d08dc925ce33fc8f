"""Imports the package before any test imports numpy, whose threads it keeps from spinning."""

import fluxrouter_server.calibration as _first  # noqa: F401
