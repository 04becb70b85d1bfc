"""Imports what most nodes need; for the process from which those of the nodes are forked (`thor.app.runner`)."""

import cartopy.feature  # noqa: F401
import dask.array
import dask.distributed  # noqa: F401 (xarray asks it for a client whenever it opens or writes a file)
import matplotlib.pyplot  # noqa: F401
import netCDF4  # noqa: F401
import sklearn.ensemble  # noqa: F401
