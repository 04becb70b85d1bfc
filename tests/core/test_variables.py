"""The table of variables: groups of features, and what climate models publish."""

import pytest

from thor.core.errors import DataError
from thor.core.variables import FEATURES, FeatureGroups, extended_features, groups_of, published, table


def test_published_features_are_those_of_the_group_published():
    rows = {name for name, row in table().items() if row.feature is not None and row.feature.group == "published"}
    assert rows == set(FEATURES)
    assert not rows & set(extended_features())


def test_groups_of_a_neighbourhood_follow_its_variable():
    assert groups_of("zos_gradient_magnitude") == FeatureGroups("magnitudes", "height", "even", "zos_gradient")
    assert groups_of("zos_spread_150km") == FeatureGroups("around zos", "height", "even")
    assert groups_of("zos_deptho_jacobian_mean_150km").physical == "height and bathymetry"


@pytest.mark.parametrize("name", ["cluster", "cluster_mean_150km"])
def test_a_feature_without_groups_is_an_error(name):
    with pytest.raises(DataError, match=f"'{name}' is a feature without groups. Add 'feature: .*' to its row"):
        groups_of(name)


def test_published_variables_are_those_of_the_ocean_unless_others_are_asked_for():
    ocean, atmosphere = published(), published(realm="atmos")
    assert {"zos", "simass", "areacello"} <= set(ocean)
    assert atmosphere == ("tas", "areacella")
    assert set(published(realm=None)) == {*ocean, *atmosphere}
    assert published(realm="atmos", fixed=True) == ("areacella",)
