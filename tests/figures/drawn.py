"""What figures show."""

import numpy as np


def cells(mesh, lon):
    """Values of a drawn mesh in the columns of these longitudes; maps begin where the projection is cut."""
    edges = mesh.get_coordinates()[0, :, 0]
    column = np.searchsorted(edges, (np.asarray(lon) - edges[0]) % 360 + edges[0]) - 1
    return mesh.get_array()[:, np.clip(column, 0, edges.size - 2)]  # a cell split in its middle is on both sides
