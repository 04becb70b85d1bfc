"""Basins: known places, areas of the real oceans, names."""

import numpy as np
import pytest

from thor.core.errors import DataError
from thor.ocean.basins import basin_codes, basin_names, in_basin
from thor.ocean.grid import Grid, regular_grid

PLACES = {
    "atlantic_ocean": [(30, -40), (-20, -10), (25, -90), (15, -70), (58, -45), (55, 3)],
    "pacific_ocean": [(0, -150), (40, 170), (-30, 175), (10, 115), (8, -85), (58, -175)],
    "indian_ocean": [(-20, 70), (10, 90), (15, 65), (-12, 115), (-11, 127)],
    "southern_ocean": [(-60, 0), (-58, -150), (-40, 100)],
    "arctic_ocean": [(85, 0), (72, -150), (70, 2), (75, 40), (72, -68)],
    "mediterranean_sea": [(35, 18), (43, 15), (38, 3)],
    "hudson_bay": [(58, -85)],
    "red_sea": [(20, 38)],
    "persian_gulf": [(27, 51)],
    "baltic_sea": [(58, 20)],
    "black_sea": [(43, 34)],
    "sea_of_japan": [(40, 134)],
    "sea_of_okhotsk": [(53, 149)],
}


@pytest.mark.parametrize("name", PLACES)
def test_known_places(name):
    lat, lon = (np.array(values, dtype=float)[None, :] for values in zip(*PLACES[name], strict=True))
    for turn in (0, 360):
        grid = Grid(lat, lon + turn, np.ones(lat.shape), None, ("y", "x"))
        codes = basin_codes(grid, ocean=np.ones(lat.shape, dtype=bool))
        assert [basin_names()[int(code)] for code in codes.values.ravel()] == [name] * lat.size


def test_ocean_areas_on_ecco(ecco_ocean):
    grid = Grid.from_dataset(ecco_ocean)
    ocean = np.isfinite(ecco_ocean.deptho.values)
    codes = basin_codes(grid, ocean=ocean)
    assert (codes.values[ocean] > 0).all() and (codes.values[~ocean] == -1).all()
    area = {name: float(grid.area[in_basin(codes, name).values].sum()) / 1e12 for name in basin_names().values()}
    # 10^6 km2, north of 35S; ECCO's one-degree coasts leave the narrow Mediterranean wider than it is.
    assert area["pacific_ocean"] == pytest.approx(133, rel=0.1)
    assert area["atlantic_ocean"] == pytest.approx(63, rel=0.1)
    assert area["indian_ocean"] == pytest.approx(46, rel=0.1)
    assert area["mediterranean_sea"] == pytest.approx(2.5, rel=0.3)


def test_every_cell_of_a_global_grid_is_in_an_ocean_or_inland():
    grid = Grid.from_dataset(regular_grid(1.0))
    codes = basin_codes(grid, ocean=np.ones(grid.shape, dtype=bool)).values
    assert set(np.unique(codes)) - {-1} == set(basin_names())
    assert (codes[grid.lat < -35] == 4).all()


def test_unknown_basin_names_the_nearest():
    codes = basin_codes(Grid.from_dataset(regular_grid(10.0)), ocean=np.ones((18, 36), dtype=bool))
    with pytest.raises(DataError, match="Did you mean 'atlantic_ocean'"):
        in_basin(codes, "atlantic")
