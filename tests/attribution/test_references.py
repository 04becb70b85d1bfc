"""References: which cells they contain, and what is refused."""

import numpy as np
import pytest

from thor.attribution.references import draw_reference, reference_inputs
from thor.attribution.settings import ReferenceSettings
from thor.core.errors import AttributionError, ConfigError
from thor.core.variables import FEATURES
from thor.networks.samples import samples_from
from thor.networks.scaler import FeatureScaler
from thor.networks.settings import SplitSettings
from thor.networks.split import make_split
from thor.ocean.basins import basin_names


@pytest.fixture(scope="module")
def ocean(made_features, made_regimes):
    split = make_split(made_features, made_regimes, SplitSettings())
    return made_features, made_regimes, split


def draw(ocean, *, runs=None, **settings):
    return draw_reference(*ocean, names=FEATURES, settings=ReferenceSettings(**settings), seed=1, runs=runs)


def near(table, field, name):
    return field.sel(lat=table["lat"].to_xarray(), lon=table["lon"].to_xarray(), method="nearest").values


def test_rows_are_cells_of_the_requested_reference(ocean):
    features, regimes, split = ocean
    train = draw(ocean, n_rows=60)
    assert len(train) == 60
    assert (near(train, split["role"], "role") == 0).all()
    np.testing.assert_allclose(train["zos"], near(train, features["zos"], "zos"))
    pacific = draw(ocean, source="basin", name="pacific_ocean", n_rows=60)
    codes = {name: code for code, name in basin_names().items()}
    assert (near(pacific, features["basin"], "basin") == codes["pacific_ocean"]).all()
    one = draw(ocean, source="regime", name="TR", n_rows=10_000)
    names = regimes["regime"].attrs["flag_meanings"].split()
    assert (near(one, regimes["regime"], "regime") == names.index("TR")).all()
    samples = samples_from(*ocean).with_role("train")
    assert len(one) == (samples.labels == samples.classes.index("TR")).sum()


def test_a_run_of_a_climate_model_is_a_reference_too(ocean):
    features = ocean[0]
    later = features.assign(zos=features["zos"] + 1)
    run = features.drop_vars("zos").assign(zos=features["zos"].expand_dims(window=["a", "b"]).copy())
    run["zos"][1] = later["zos"]
    runs = {"M/historical/r1": lambda: run}
    settings = {"source": "run", "name": "M/historical/r1", "n_rows": 50}
    last, first = draw(ocean, runs=runs, **settings), draw(ocean, runs=runs, window="a", **settings)
    np.testing.assert_allclose(last["zos"], first["zos"] + 1)


def test_cells_are_drawn_by_their_area_and_the_same_again(ocean):
    by_area, alike = draw(ocean, n_rows=300), draw(ocean, n_rows=300, area_weights=False)
    assert np.abs(by_area["lat"]).mean() < np.abs(alike["lat"]).mean() - 2
    assert by_area.equals(draw(ocean, n_rows=300))


def test_references_that_do_not_exist_are_named(ocean):
    with pytest.raises(AttributionError, match="no basin 'pacific_osean'.*Did you mean 'pacific_ocean'"):
        draw(ocean, source="basin", name="pacific_osean")
    with pytest.raises(AttributionError, match="no regime 'XX'"):
        draw(ocean, source="regime", name="XX")
    with pytest.raises(AttributionError, match="no run 'M/x/r1'"):
        draw(ocean, source="run", name="M/x/r1")
    with pytest.raises(ConfigError, match="source 'basin' needs the name of the basin"):
        ReferenceSettings(source="basin")
    with pytest.raises(ConfigError, match="'training' takes no name"):
        ReferenceSettings(name="MD")


def test_references_of_other_networks_are_refused(ocean):
    table = draw(ocean, n_rows=30)
    scaler = FeatureScaler.fit(samples_from(*ocean).with_role("train"))
    np.testing.assert_allclose(reference_inputs(table, scaler), scaler.transform(table[list(FEATURES)].to_numpy()))
    with pytest.raises(AttributionError, match="the predictors take wind_stress_curl"):
        reference_inputs(table.rename(columns={"zos": "ssh"}), scaler)
    # Columns are found by their names.
    turned = reference_inputs(table[table.columns[::-1]], scaler)
    np.testing.assert_array_equal(turned, reference_inputs(table, scaler))
    with pytest.raises(AttributionError, match="0 rows"):
        reference_inputs(table[:0], scaler)
    with pytest.raises(AttributionError, match="30 rows, 1 not finite"):
        reference_inputs(table.assign(zos=table["zos"].where(table.index != 3)), scaler)
