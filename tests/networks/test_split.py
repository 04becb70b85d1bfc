import numpy as np
import pytest
import xarray as xr
from scipy.spatial import cKDTree

from tests.networks.conftest import REFLECTED, as_regimes
from thor.core.errors import ConfigError, DataError, GridError, NetworkError
from thor.core.warn import warn_once
from thor.networks.settings import ATLANTIC_SECTOR, Region, SplitSettings
from thor.networks.split import OCEANS, ROLES, basin_folds, final_split, make_split, separated, untaught_regimes
from thor.ocean.basins import in_basin
from thor.ocean.sphere import unit_vectors

FAR = 2 * np.sin(np.deg2rad(6) / 2)


def codes(split, name):
    return (split["role"] == ROLES.index(name)).values


def nearest(split, one, other):
    """Return the smallest great-circle distance [degrees] between cells of two roles, or 6 if it is more."""
    lat, lon = xr.broadcast(split["lat"], split["lon"])
    centres = np.moveaxis(unit_vectors(lat.values, lon.values), 0, -1)
    tree = cKDTree(centres[codes(split, one)])
    chord = tree.query(centres[codes(split, other)], distance_upper_bound=FAR)[0].min()
    return np.rad2deg(2 * np.arcsin(min(chord, FAR) / 2))


def test_every_valid_cell_has_a_role_and_no_other(made_features, made_regimes):
    split = make_split(made_features, made_regimes, SplitSettings())
    assert ((split["role"] >= 0) == (made_features["valid"] == 1)).all()
    assert split["role"].dtype == np.int8
    assert split["role"].attrs["flag_meanings"].split() == list(ROLES)
    assert {name for name in ROLES if codes(split, name).any()} == set(ROLES)


def test_the_final_predictors_are_taught_in_the_test_regions_too(ecco_features, ecco_regimes):
    split = make_split(ecco_features, ecco_regimes, SplitSettings())
    final = final_split(split)
    assert not codes(final, "test").any()
    assert nearest(final, "train", "select") > 2.0
    assert codes(final, "select")[codes(split, "select")].all()
    tested = codes(split, "test")
    assert codes(final, "train")[tested].mean() > 0.85
    published = make_split(ecco_features, ecco_regimes, SplitSettings(mode="published"))
    np.testing.assert_array_equal(published["final_role"], published["role"])


def test_the_default_test_region_is_the_published_band(ecco_features, ecco_regimes):
    for settings in (SplitSettings(), SplitSettings(mode="published")):
        split = make_split(ecco_features, ecco_regimes, settings)
        assert codes(split, "test").sum() == 40_328
        lon = split["lon"].values[codes(split, "test").any(axis=0)]
        assert set(lon) == set(np.concatenate([np.arange(280.25, 360, 0.5), np.arange(0.25, 20, 0.5)]))


def test_every_default_role_has_every_regime_on_ecco(ecco_features, ecco_regimes):
    split = make_split(ecco_features, ecco_regimes, SplitSettings())
    for name in ("train", "select", "test"):
        counts = np.bincount(ecco_regimes["regime"].values[codes(split, name)], minlength=6)
        assert counts.min() > 50, (name, counts)


@pytest.mark.parametrize("pair", [("train", "test"), ("train", "select"), ("select", "test")])
def test_roles_keep_their_distance(ecco_features, ecco_regimes, pair):
    split = make_split(ecco_features, ecco_regimes, SplitSettings(buffer_degrees=2.0))
    assert nearest(split, *pair) > 2.0
    bare = make_split(ecco_features, ecco_regimes, SplitSettings(buffer_degrees=0.0))
    assert not codes(bare, "buffer").any()


def test_the_less_important_role_gives_way():
    lon = np.arange(0.0, 10.0)
    role = np.int8([0, 0, 1, 1, 1, 2, 2, 2, 0, 0])
    got = separated(role, np.zeros(10), lon, 1.0)
    # Each keeps one degree, the distance of neighbours, from what stands above it; test loses nothing.
    np.testing.assert_array_equal(got, [0, 3, 1, 1, 3, 2, 2, 2, 3, 0])


def test_the_buffer_closes_where_longitudes_meet():
    lon = np.arange(0.0, 360.0, 2.0)
    role = np.where(lon < 10, 2, 0).astype("int8")
    equator, pole = (separated(role, np.full(lon.shape, lat), lon, 2.0) for lat in (0.0, 89.5))
    assert (equator == 3).sum() == 2
    assert (pole == 3).sum() == (role == 0).sum()


def test_boxes_across_greenwich_and_in_latitude(made_features, made_regimes):
    box = Region(name="box", west=-20, east=20, south=-40, north=0)
    split = make_split(made_features, made_regimes, SplitSettings(test_regions=[box], buffer_degrees=0))
    lat, lon = xr.broadcast(split["lat"], split["lon"])
    inside = ((lon >= 340) | (lon < 20)) & (lat >= -40) & (lat <= 0) & (made_features["valid"] == 1)
    np.testing.assert_array_equal(codes(split, "test"), inside.values)


def test_blocks_that_select_are_scattered_and_follow_the_seed(ecco_features, ecco_regimes):
    splits = [make_split(ecco_features, ecco_regimes, SplitSettings(), seed=seed) for seed in (1, 1, 2)]
    chosen = [codes(split, "select") for split in splits]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert (chosen[0] & chosen[2]).sum() < 0.3 * chosen[0].sum()
    lat, lon = xr.broadcast(splits[0]["lat"], splits[0]["lon"])
    # north and south, east and west: no band
    for field, width in ((lat, 30), (lon, 90)):
        place = np.floor((field.values[chosen[0]] + 90 * (field is lat)) / width)
        assert len(np.unique(place)) >= 4
    share = chosen[0].sum() / (codes(splits[0], "train") | chosen[0]).sum()
    assert 0.01 < share < 0.1


def test_published_use_selects_on_the_test_cells(made_features, made_regimes):
    split = make_split(made_features, made_regimes, SplitSettings(mode="published"))
    assert split.attrs["split"] == "published"
    assert split.attrs["select_role"] == "test"
    assert not any(codes(split, name).any() for name in ("select", "buffer"))


def test_each_fold_tests_one_basin(ecco_features, ecco_regimes):
    folds = basin_folds(ecco_features, ecco_regimes, SplitSettings())
    assert list(folds) == list(OCEANS)
    flags = ecco_features["basin"].attrs
    for name, split in folds.items():
        code = flags["flag_values"][flags["flag_meanings"].split().index(name)]
        tested = ((ecco_features["basin"] == code) & (ecco_features["valid"] == 1)).values
        np.testing.assert_array_equal(codes(split, "test"), tested)
        assert min(nearest(split, "train", "test"), nearest(split, "select", "train")) > 2.0


def test_folds_of_a_published_split_follow_its_rules(made_features, made_regimes):
    """Its test sector, no reflected ocean, whatever the settings that it ignores."""
    pacific = Region(name="west_pacific", west=120, east=180)
    ignored = SplitSettings(mode="published", test_regions=[pacific])
    sector = codes(make_split(made_features, made_regimes, ignored), "test")
    folds = basin_folds(made_features, made_regimes, ignored, seed=1, without_test=True)
    expected = basin_folds(
        made_features, made_regimes, SplitSettings(reflect=False, rescale=False), seed=1, without_test=True
    )
    assert list(folds) == list(expected) == list(OCEANS)
    for name, fold in folds.items():
        assert (fold["role"].values[sector] == ROLES.index("buffer")).all()
        xr.testing.assert_identical(fold, expected[name])
        assert fold.attrs["reflect"] == 0 and codes(fold, "select").any()
        assert min(nearest(fold, "train", "test"), nearest(fold, "train", "select")) > 2.0


def test_a_basin_that_is_none_or_empty(made_features, made_regimes):
    with pytest.raises(DataError, match="Did you mean 'pacific_ocean'"):
        basin_folds(made_features, made_regimes, SplitSettings(), basins=["pacific"])
    dry = made_features.assign(basin=made_features["basin"].where(made_features["basin"] != 5, -1))
    with pytest.raises(NetworkError, match="No labelled cell of arctic_ocean can be left out .* Label cells of more"):
        basin_folds(dry, made_regimes, SplitSettings(), basins=["arctic_ocean"])
    few = made_regimes["regime"].where(in_basin(made_features["basin"], "pacific_ocean"), -1).astype("int8")
    with pytest.raises(NetworkError, match="Without pacific_ocean no labelled cell is left to train"):
        basin_folds(made_features, as_regimes(made_features, few.values), SplitSettings(reflect=False, rescale=False))


def test_a_region_without_cells(made_features, made_regimes):
    land = Region(name="continent", west=70, east=90, south=-20, north=20)
    settings = SplitSettings(test_regions=[ATLANTIC_SECTOR, land])
    with pytest.raises(NetworkError, match="continent: 70E to 90E, -20N to 20N holds no valid cell"):
        make_split(made_features, made_regimes, settings)


def test_a_buffer_that_takes_a_role_whole(made_features, made_regimes):
    with pytest.raises(NetworkError, match="No cell is left to select"):
        make_split(made_features, made_regimes, SplitSettings(buffer_degrees=80))


def test_a_regime_that_nothing_can_teach(made_features, made_regimes):
    regime = made_regimes["regime"].values.copy()
    band = (made_features["lon"] >= 280) | (made_features["lon"] < 20)
    regime[(regime == 3) & ~band.values] = 2
    with pytest.raises(NetworkError, match="No training cell has the regime TR"):
        make_split(made_features, as_regimes(made_features, regime), SplitSettings())
    reflected = as_regimes(made_features, regime, similar={REFLECTED: made_regimes["similar_regime"].values[0]})
    with pytest.raises(NetworkError, match="No training cell has the regime TR"):
        make_split(made_features, reflected, SplitSettings(reflect=False, rescale=False))
    assert make_split(made_features, reflected, SplitSettings()).attrs["reflect"] == 1


def test_no_valid_cell(made_features, made_regimes):
    with pytest.raises(DataError, match="masked"):
        make_split(made_features.assign(valid=0 * made_features["valid"]), made_regimes, SplitSettings())


def test_another_grid(made_features, made_regimes):
    with pytest.raises(GridError, match="different grids"):
        make_split(made_features, made_regimes.isel(lon=slice(1, None)), SplitSettings())
    moved = made_regimes.assign_coords(lon=made_regimes["lon"] + 1)
    with pytest.raises(GridError, match="different grids"):
        make_split(made_features, moved, SplitSettings())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: Region(name="x", west=0, east=10, south=10, north=-10), "rise from south to north"),
        (lambda: Region(name="x", west=10, east=10), "west and east of region 'x' must differ"),
        (lambda: SplitSettings(test_regions=[ATLANTIC_SECTOR, ATLANTIC_SECTOR]), "different names"),
        (lambda: SplitSettings(test_regions=[]), "test_regions"),
        (lambda: SplitSettings(select_share=1.0), "select_share"),
        (lambda: SplitSettings(mode="publised"), "Did you mean 'published'"),
        (lambda: SplitSettings(buffer_degrees=-1.0), "buffer_degrees"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=message):
        settings()


def test_a_basin_whose_cells_are_valid_but_have_no_label_is_no_fold(made_features, made_regimes, caplog):
    """Its features are there, its budget is not used: nothing can be tested in it."""
    bare = made_regimes.assign(regime=made_regimes["regime"].where(made_features["basin"] != 5, -1).astype("int8"))
    bare["regime"].attrs = made_regimes["regime"].attrs
    warn_once.cache_clear()
    options = {"settings": SplitSettings(), "basins": ["pacific_ocean", "arctic_ocean"]}
    for without_test in (True, False):
        options["without_test"] = without_test
        assert list(basin_folds(made_features, made_regimes, **options)) == ["pacific_ocean", "arctic_ocean"]
        assert not caplog.messages
        assert list(basin_folds(made_features, bare, **options)) == ["pacific_ocean"]
        (warning,) = caplog.messages
        assert warning == "arctic_ocean: no cell has a label, so that it is not left out of training by itself"
        warn_once.cache_clear()
        caplog.clear()


@pytest.mark.parametrize("reflect", [False, True])
def test_a_regime_of_one_ocean_alone_is_unknown_without_it(made_features, made_regimes, caplog, reflect):
    """Unless cells elsewhere have it in the reflected ocean."""
    southern = in_basin(made_features["basin"], "southern_ocean").values
    regime = np.where((made_regimes["regime"] == 3) & ~southern, 2, made_regimes["regime"]).astype("int8")
    regimes = as_regimes(made_features, regime, similar={REFLECTED: made_regimes["similar_regime"].values[0]})
    warn_once.cache_clear()
    folds = basin_folds(made_features, regimes, SplitSettings(reflect=reflect), without_test=True)
    assert list(folds) == list(OCEANS)
    unknown = {name: untaught_regimes(fold, regimes) for name, fold in folds.items()}
    assert unknown == {name: [] for name in OCEANS} | {"southern_ocean": [] if reflect else ["TR"]}
    expected = "TR without southern_ocean: no training cell then has the regime, so that its cells there count as wrong"
    assert caplog.messages == ([] if reflect else [expected])


@pytest.mark.parametrize(("share", "folds"), [(0.002, ["pacific_ocean"]), (0.03, ["pacific_ocean", "arctic_ocean"])])
def test_a_few_cells_that_a_test_region_leaves_of_an_ocean_are_no_fold(made_features, made_regimes, share, folds):
    """In a calibration they would count as much as the Pacific."""
    arctic = ((made_features["basin"] == 5) & (made_regimes["regime"] >= 0)).values
    few = np.flatnonzero(arctic)[: round(share * (made_regimes["regime"] >= 0).values.sum())]
    regime = np.where(arctic, -1, made_regimes["regime"].values).astype("int8")
    regime.flat[few] = made_regimes["regime"].values.flat[few]
    regimes = made_regimes.assign(regime=made_regimes["regime"].copy(data=regime))
    options = {"settings": SplitSettings(), "basins": ["pacific_ocean", "arctic_ocean"], "without_test": True}
    assert list(basin_folds(made_features, regimes, **options)) == folds
    # Where the test regions train, every basin that is asked for is a fold.
    assert len(basin_folds(made_features, regimes, **options | {"without_test": False})) == 2


def test_the_error_on_an_empty_role_names_every_setting_that_may_be_the_cause(made_features, made_regimes):
    # One block selects, and the buffer of the test region covers it.
    settings = SplitSettings(select_share=1e-9, buffer_degrees=60.0)
    with pytest.raises(NetworkError, match="Change test_regions, select_share, select_block_degrees or buffer_degrees"):
        [make_split(made_features, made_regimes, settings, seed=seed) for seed in range(20)]
