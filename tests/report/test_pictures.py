"""Maps of the first screen: colours of cells, land, outlines and legends."""

import base64
import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from PIL import Image

from thor.core.errors import GridError
from thor.figures.style import LAND_COLOUR, regime_colours
from thor.report.pictures import change_picture, most_changed, regime_picture

LAT, LON = np.arange(-87.5, 90, 5.0), np.arange(2.5, 360, 5.0)
COLOURS = [f"#0000{shade:02x}" for shade in range(10, 80, 10)]


def pixels(picture):
    content = base64.b64decode(picture["source"].partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGBA"))


def colour(code):
    return tuple(round(255 * part) for part in to_rgb(code))


@pytest.fixture
def run():
    shape = (1, 1, LAT.size, LON.size)
    dims = ("window", "predictor", "lat", "lon")
    probability = np.full(shape, 0.005)
    probability[..., :18, :] = 0.95
    forced = np.zeros(shape, dtype=np.int8)
    forced[..., 10:14, 10:20] = 1
    return xr.Dataset(
        {
            "valid": (("lat", "lon"), np.ones(shape[2:], dtype=np.int8)),
            "change_probability": (dims, probability),
            "forced_change": (dims, forced),
            "baseline_window": ("window", ["1850-1869"]),
        },
        {"lat": LAT, "lon": LON, "window": ["1970-1989"], "predictor": ["average"]},
        {"source_id": "M", "experiment_id": "4x", "parent": "M/piControl/r1"},
    )


def test_cells_have_the_colour_of_their_regime_and_gaps_that_of_land():
    labels = np.where(LAT[:, None] < 0, 0, 1) + np.zeros(LON.size, dtype=int)
    labels[:, :10] = -1
    regime = xr.DataArray(
        labels.astype(np.int8), dims=("lat", "lon"), attrs={"flag_values": [0, 1], "flag_meanings": "MD SO"}
    )
    grid = xr.Dataset({"valid": (("lat", "lon"), np.ones_like(labels))}, {"lat": LAT, "lon": LON})
    picture = regime_picture(grid, xr.Dataset({"regime": regime}, grid.coords))
    image = pixels(picture)
    height, width = image.shape[:2]
    south, north = (tuple(image[round(share * height), width // 2, :3]) for share in (0.7, 0.3))
    assert [south, north] == [colour(code) for code in regime_colours(["MD", "SO"])]
    assert tuple(image[height // 2, 40, :3]) == colour(LAND_COLOUR)
    assert image[0, 0, 3] == 0, "beyond the map it is transparent"
    assert [entry["label"] for entry in picture["legend"]] == ["MD", "SO"]
    turned = xr.Dataset({"regime": regime}, grid.coords).transpose("lon", "lat")
    assert regime_picture(grid, turned)["source"] == picture["source"]
    with pytest.raises(GridError, match="different grids"):
        regime_picture(grid, turned.isel(lat=slice(None, None, -1)))


def test_the_likelihood_of_a_change_is_drawn_in_classes_with_outlines(run):
    picture = change_picture(run, colours=COLOURS)
    image = pixels(picture)
    seen = {tuple(map(int, pixel)) for pixel in image[image[..., 3] > 0][:, :3]}
    assert seen == {colour(COLOURS[0]), colour(COLOURS[5]), (0, 0, 0)}
    assert "1970–1989 against 1850–1869 of piControl" in picture["caption"] and "M, 4x" in picture["title"]
    run["forced_change"][:] = 0
    assert (0, 0, 0) not in set(map(tuple, pixels(change_picture(run, colours=COLOURS))[..., :3].reshape(-1, 3)))


def test_a_run_without_a_baseline_has_no_map_of_change(run):
    run["baseline_window"][:] = ""
    assert change_picture(run, colours=COLOURS) is None


def test_the_run_with_the_largest_change_is_shown():
    rows = [{"run": name, "expected_changed_share": share} for name, share in (("a", 0.1), ("b", 0.2), ("c", None))]
    assert most_changed(rows, ["a", "b", "c"]) == "b"
    assert most_changed(rows, ["c"]) is None
