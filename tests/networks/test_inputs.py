import numpy as np
import pytest

from thor.core.errors import GridError, NetworkError
from thor.core.variables import FEATURES
from thor.networks.inputs import cell_inputs, input_names


def test_all_valid_cells_are_inputs_labelled_or_not(made_features):
    inputs, index = cell_inputs(made_features, names=("deptho", "zos"))
    valid = made_features["valid"].values == 1
    np.testing.assert_array_equal(index, np.flatnonzero(valid))
    np.testing.assert_array_equal(inputs[:, 1], made_features["zos"].values[valid])


def test_feature_sets(made_features):
    assert input_names(made_features, "published") == FEATURES
    more = made_features.assign(
        zos_gradient_magnitude=made_features["zos_gradient_eastward"], zos_mean_300km=made_features["zos"]
    )
    assert input_names(more, "extended") == (*FEATURES, "zos_gradient_magnitude", "zos_mean_300km")
    with pytest.raises(NetworkError, match="published ones only"):
        input_names(made_features, "extended")
    with pytest.raises(NetworkError, match="Did you mean 'extended'"):
        input_names(made_features, "extend")
    assert input_names(more, ["around zos"]) == (*FEATURES, "zos_mean_300km")
    assert input_names(more, ["around zos", "magnitudes"]) == input_names(more, "extended")
    with pytest.raises(NetworkError, match="Did you mean 'around zos'.*magnitudes, around zos"):
        input_names(more, ["around zo"])


def test_missing_features_other_units_and_dims(made_features):
    with pytest.raises(NetworkError, match="Feature 'zoss' is missing. Did you mean 'zos'"):
        cell_inputs(made_features, names=("zoss",))
    in_cm = made_features.assign(zos=made_features["zos"].assign_attrs(units="cm"))
    with pytest.raises(NetworkError, match="units 'cm'; expected 'm'"):
        cell_inputs(in_cm)
    windows = made_features.assign(zos=made_features["zos"].expand_dims(window=2))
    with pytest.raises(GridError, match="'zos' with dims"):
        cell_inputs(windows)
