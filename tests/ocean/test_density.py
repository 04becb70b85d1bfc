"""Transports in density classes: the published check value, the density of faces, and conservation."""

import numpy as np
import pytest

from tests.made_transports import DENSITY, UNITS, faces_of_streamfunction, mitgcm, transports_on
from thor.core.errors import DataError, UnitsError
from thor.ocean.basins import basin_codes
from thor.ocean.density import SIGMA2_EDGES, sigma2, transports_in_density_classes
from thor.ocean.grid import Grid, regular_grid
from thor.tracking.overturning import overturning

DIMS = ("lev", "lat", "lon")


def layered_ocean(n_levels=4, dtype=np.float64):
    """Light water over dense water, warmest at the equator; random flow without divergence; an island."""
    rng, coords = np.random.default_rng(0), regular_grid(10.0)
    corners = np.zeros((n_levels, 19, 36))
    corners[:, 1:-1] = rng.normal(size=(n_levels, 17, 36))
    corners[:, 8:10, 5:7] = 0.0
    u, v = (field.astype(dtype) for field in faces_of_streamfunction(corners))
    edges = np.linspace(0, 4000, n_levels + 1)
    ocean = transports_on(coords, u, v, edges)
    warmth = 28 * np.cos(np.deg2rad(coords["lat"].values)) ** 2
    thetao = np.linspace(1.0, 0.0, n_levels)[:, None, None] * warmth[:, None] + 2.0 + np.zeros(36)
    so = np.full(thetao.shape, 35.0)
    land = np.zeros(thetao.shape, bool)
    land[:, 8, 6] = True
    ocean["thetao"] = DIMS, np.where(land, np.nan, thetao), {"units": "degC"}
    ocean["so"] = DIMS, np.where(land, np.nan, so), {"units": "1e-3"}
    for name, beyond in (("umo", np.roll(land, -1, 2)), ("vmo", np.roll(land, -1, 1))):
        ocean[name] = ocean[name].where(~(land | beyond)).assign_attrs(UNITS)
    return ocean


def test_density_is_that_of_teos_10():
    # Absolute Salinity 34.7118 g/kg and Conservative Temperature 28.8099 degC: the check value of gsw_sigma2.
    import gsw

    practical = gsw.SP_from_SA(34.7118, 10.0, 188.0, 4.0)
    potential = gsw.pt_from_CT(34.7118, 28.8099)
    depth = -gsw.z_from_p(10.0, 4.0)
    np.testing.assert_allclose(sigma2(potential, practical, depth=depth, lat=4.0, lon=188.0), 30.023152, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_sums_over_classes_are_the_depth_integrals(dtype, tolerance):
    ocean = layered_ocean(dtype=dtype)
    binned = transports_in_density_classes(ocean)
    for name in ("umo", "vmo"):
        depth_sum = ocean[name].astype(float).fillna(0).sum("lev")
        assert binned[name].dtype == dtype and float(abs(depth_sum).max()) > 1e9
        difference = abs(binned[name].astype(float).sum("sigma2") - depth_sum)
        assert float(difference.max()) <= tolerance * float(abs(depth_sum).max())


def test_a_face_has_the_mean_density_of_its_two_cells():
    ocean = layered_ocean().isel(lev=[0])
    edges = np.array([20.0, 30.0, 32.0, 34.0, 35.0, 36.0, 38.0])
    binned = transports_in_density_classes(ocean, edges=edges)
    density = sigma2(
        *(ocean[name].values[0] for name in ("thetao", "so")),
        depth=500.0,
        lat=ocean["lat"].values[:, None],
        lon=ocean["lon"].values,
    )
    mean = 0.5 * (density[:-1] + density[1:])
    chosen = np.isfinite(mean) & (ocean["vmo"].values[0, :-1] != 0)
    expected = np.digitize(mean[chosen], edges) - 1
    got = abs(binned["vmo"].values[:, :-1]).argmax(axis=0)[chosen]
    np.testing.assert_array_equal(got, expected)
    assert len(np.unique(expected)) > 3
    assert ((binned["vmo"] != 0).sum("sigma2") <= 1).all()


def test_overturning_in_density_classes_is_lighter_above():
    ocean = layered_ocean()
    # Poleward in the light surface water, back below.
    v = np.zeros((4, 18, 36))
    v[0, 9:16], v[3, 9:16] = 1.0, -1.0
    ocean["vmo"] = ocean["vmo"].copy(data=1.035e9 * np.where(ocean["vmo"].isnull(), np.nan, v))
    ocean["umo"] = (0 * ocean["umo"]).assign_attrs(UNITS)
    binned = transports_in_density_classes(ocean)
    basin = basin_codes(Grid.from_dataset(binned), ocean=np.ones((18, 36), bool))
    blocks = [(np.arange(18 * 36), np.ones((1, 18 * 36, 1)))]
    found = overturning(
        binned, blocks, basin=basin, regimes=("all",), level=0.9, reference_density=DENSITY, latitudes=[20.0, 40.0]
    )
    psi = found["overturning"].sel(basin="global")
    assert psi.dims == ("lat", "sigma2") and psi["sigma2"].attrs["units"] == "kg m-3"
    assert psi.max() > 34 and float(abs(psi.isel(sigma2=-1)).max()) < 1e-9
    np.testing.assert_array_equal(found["sigma2"], SIGMA2_EDGES[1:])
    assert found["amoc_level"].attrs["units"] == "kg m-3"


def test_binned_seasons_have_a_transport_that_their_mean_lacks():
    """Water flows northward when it is warm and southward when it is cold: nothing in the mean, a cell in density."""
    ocean = layered_ocean().isel(lev=[0])
    flow = ocean["vmo"].fillna(0)
    seasons = []
    for sign in (1, -1):
        vmo, thetao = sign * ocean["vmo"], ocean["thetao"] + 2.0 * sign
        seasons.append(ocean.assign(vmo=vmo.assign_attrs(UNITS), thetao=thetao.assign_attrs(ocean["thetao"].attrs)))
    warm, cold = (transports_in_density_classes(season)["vmo"] for season in seasons)
    mean = 0.5 * (warm + cold)
    of_mean = transports_in_density_classes(ocean.assign(vmo=(0 * ocean["vmo"]).assign_attrs(UNITS)))["vmo"]
    assert not of_mean.any() and float(abs(mean.sum("sigma2")).max()) < 1e-12 * float(abs(flow).max())
    lighter = mean.cumsum("sigma2").max("sigma2") - mean.cumsum("sigma2").min("sigma2")
    apart = abs(warm).argmax("sigma2").values < abs(cold).argmax("sigma2").values
    np.testing.assert_allclose(lighter.values[apart], 0.5 * abs(flow.isel(lev=0)).values[apart])
    assert apart[flow.isel(lev=0).values != 0].mean() > 0.9


def test_fields_that_cannot_be_used():
    ocean = layered_ocean()
    with pytest.raises(DataError, match="'so' with dims"):
        transports_in_density_classes(ocean.drop_vars("so"))
    with pytest.raises(UnitsError, match="'thetao' has units 'K'"):
        transports_in_density_classes(ocean.assign(thetao=ocean["thetao"].assign_attrs(units="K")))
    ocean["thetao"] = ocean["thetao"].where(ocean["lat"] < 0)
    with pytest.raises(DataError, match="beside which 'thetao' and 'so' are missing"):
        transports_in_density_classes(ocean)


def test_edges_must_increase():
    with pytest.raises(DataError, match="Edges of density classes must increase"):
        transports_in_density_classes(layered_ocean(), edges=np.array([30.0, 30.0, 31.0]))


def test_transports_of_a_real_model_are_conserved_in_density_classes(data_mirror):
    model, ocean = mitgcm(data_mirror / "mitgcm_4deg" / "mitgcm_4deg_mean10yr.nc")
    for name in ("thetao", "so"):
        ocean[name] = DIMS, model[name].values.astype(float), model[name].attrs
    binned = transports_in_density_classes(ocean)
    total = ocean["vmo"].sum("lev")
    np.testing.assert_allclose(binned["vmo"].sum("sigma2"), total, atol=1e-12 * float(abs(total).max()))
    used = SIGMA2_EDGES[:-1][(abs(binned["vmo"]) > 0).any(["lat", "lon"])]
    assert used.min() < 33 and 36.5 < used.max() < 37.5  # from the warm surface to Antarctic bottom water
