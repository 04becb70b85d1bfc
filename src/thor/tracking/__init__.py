"""Regimes of climate models through time: where, when and with what probability they change, and beyond what noise.

`change` couples two windows inside each network, `forced` compares the change with internal variability, and `track`
does both for one run. Import from the modules.
"""

from collections.abc import Callable, Mapping

import xarray as xr

RunDatasets = Mapping[str, Callable[[], xr.Dataset]]
"""One dataset of each run, by `<source_id>/<experiment_id>/<variant_label>`: a function that reads it."""

PlannedResult = tuple[str, Callable[[], xr.Dataset]]
"""A fingerprint of all on which a result depends, and a function that makes it."""
PlannedResults = dict[str, PlannedResult]
