"""The table of variables (`variables.yml`) as Python: units, attributes, valid ranges, labels and colour maps."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from thor.core.errors import DataError, did_you_mean
from thor.core.units import spelling

BUDGET_TERMS = (
    "wind_stress_curl",
    "planetary_vorticity_advection",
    "bottom_pressure_torque",
    "nonlinear_torque",
    "viscous_torque",
)
"""The five terms of the barotropic vorticity budget [m s-2], all on one side."""

FEATURES = (
    "wind_stress_curl",
    "zos",
    "zos_gradient_eastward",
    "zos_gradient_northward",
    "deptho",
    "deptho_gradient_eastward",
    "deptho_gradient_northward",
    "coriolis_parameter",
)
"""The eight published features, in their published order."""

STRESS = ("tauuo", "tauvo")
"""The components of the surface stress, along x or eastward and along y or northward [N m-2]."""

DIAGNOSED_TERMS = (
    "wind_stress_curl",
    "planetary_vorticity_advection",
    "transport_planetary_advection",
    "residual_torque",
    "transport_residual_torque",
)
"""The terms of the budget that the transports and the surface stress of a climate model give [m s-2]."""

TRANSPORT_TORQUES = ("transport_viscous_torque", "transport_nonlinear_torque")
"""The torques of friction and momentum advection estimated from depth-integrated transports [m s-2]."""

SURFACE_SET = "surface"
"""The input set that every run of a climate model has."""

REGIME_FIELDS = ("hfds", "mlotst")
"""The two-dimensional fields of climate models that are divided among regimes, where a model publishes them."""

TRANSPORTS = ("umo", "vmo")
"""The mass transports through the faces of cells, along x and along y [kg s-1]."""

TRACERS = ("thetao", "so")
"""Potential temperature [degC] and practical salinity [1e-3], of which density follows."""

ICE_MASS = ("simass", "sisnmass")
"""Mass of sea ice and of the snow on it [kg m-2], whose weight depresses the sea level."""

_NEIGHBOURHOOD = re.compile(r"(?P<base>\w+)_(?P<statistic>mean|spread)_(?P<radius>\d+)km")
UNDECLARED_FILL = 1e15
"""A finite magnitude above this is a fill value that a file does not declare (1e20, 9.97e36), not a measurement."""


@dataclass(frozen=True)
class Published:
    """Tables and grid point with which climate models publish a variable.

    Attributes
    ----------
    cmip6 : str
        Table of CMIP6.
    cmip7 : str or None
        Branding suffix of CMIP7; None where no such variable is registered.
    point : {'T', 'u', 'v'}
        Grid point where models have it.
    needed : bool
        Whether a run cannot be used without it.
    """

    cmip6: str
    cmip7: str | None
    point: Literal["T", "u", "v"]
    needed: bool

    @property
    def fixed(self) -> bool:
        """Whether the variable does not change with time."""
        return self.cmip6.endswith("fx")

    @property
    def levels(self) -> bool:
        """Whether the variable is given on the levels of the model."""
        return "-ol-" in (self.cmip7 or "")

    @property
    def realm(self) -> Literal["ocean", "atmos"]:
        """Realm of the variable; sea ice lies on the grid of the ocean."""
        return "atmos" if self.cmip6 in ("Amon", "fx") else "ocean"

    @property
    def frequency(self) -> str:
        """Frequency of CMIP7: fx or mon."""
        return "fx" if self.fixed else "mon"


@dataclass(frozen=True)
class FeatureGroups:
    """The groups that a feature of the networks belongs to, and its symmetry.

    Attributes
    ----------
    group : str
        Features that `modelling.features` chooses together: `published`, or a name for extended ones.
    physical : str
        Features of one physical quantity, for explanations of groups.
    gradient : str or None
        The gradient of which the feature is a component or the magnitude.
    input_set : str
        The set of `modelling.input_sets` that adds the feature: `surface`, or a name for features of fields that only
        some climate models publish.
    reflected : {"odd", "even"}
        Whether the feature changes its sign where the ocean is reflected at the equator.
    """

    group: str
    physical: str
    reflected: Literal["odd", "even"]
    gradient: str | None = None
    input_set: str = SURFACE_SET


@dataclass(frozen=True)
class Variable:
    """One row of the table.

    `degree` is the power of the strength of winds, sea level and currents that the variable is proportional to.
    """

    name: str
    units: str
    long_name: str
    valid_range: tuple[float, float]
    over: str
    label: str
    standard_name: str | None = None
    cmap: str = "cmo.thermal"
    accept: dict[str, float] = field(default_factory=dict)
    published: Published | None = None
    feature: FeatureGroups | None = None
    degree: int = 1

    def factor(self, units: str | None) -> float | None:
        """Return the factor that turns values in other units, however spelled, into those of the table, or None."""
        known = {self.units: 1.0} | self.accept
        if units is None or units in known:
            return known.get(units or "")
        return {spelling(name): factor for name, factor in known.items()}.get(spelling(units))

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes of the variable."""
        attrs = {"units": self.units, "long_name": self.long_name}
        return attrs | ({"standard_name": self.standard_name} if self.standard_name else {})


@cache
def table() -> dict[str, Variable]:
    """Return the whole table by variable name."""
    rows = yaml.safe_load(files("thor.core").joinpath("variables.yml").read_text(encoding="utf-8"))
    return {name: _variable(name, row) for name, row in _with_derived_rows(rows)}


def _with_derived_rows(rows: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every row, and those of its change and of the ends of its interval over networks where it has them."""
    for name, row in rows.items():
        over_networks, changes = row.pop("over_networks", False), row.pop("change", False)
        derived = {name: row}
        if changes:
            low, high = row["valid_range"]
            derived[f"{name}_change"] = row | {
                "long_name": f"{row['long_name']}, minus that in the baseline window",
                "label": f"Change of the {row['label'][0].lower()}{row['label'][1:]}",
                "valid_range": [low - high, high - low],
            }
        for key, each in derived.items():
            if not over_networks:
                yield key, each
                continue
            yield key, each | {"long_name": f"{each['long_name']}, mean over networks"}
            for end in ("lower", "upper"):
                words = {
                    "long_name": f"{each['long_name']}, {end} end over networks",
                    "label": f"{each['label']}, {end} end",
                }
                yield f"{key}_{end}", each | words


def published(
    *, fixed: bool | None = None, needed: bool | None = None, realm: Literal["ocean", "atmos"] | None = "ocean"
) -> tuple[str, ...]:
    """Return the variables that climate models publish, in the order of the table.

    Parameters
    ----------
    fixed, needed : bool, optional
        Only those that are constant in time, or that a run needs; or only the others.
    realm : {'ocean', 'atmos'} or None
        Whose variables; None: of both.
    """
    return tuple(
        name
        for name, row in ((name, row.published) for name, row in table().items())
        if row is not None
        and fixed in (None, row.fixed)
        and needed in (None, row.needed)
        and realm in (None, row.realm)
    )


def _variable(name: str, row: dict[str, Any]) -> Variable:
    parts: dict[str, Any] = {"valid_range": tuple(row["valid_range"])}
    for key, kind in (("published", Published), ("feature", FeatureGroups)):
        if key in row:
            parts[key] = kind(**row[key])
    return Variable(name=name, **row | parts)


def extended_features() -> tuple[str, ...]:
    """Return the features that the published study does not have, in the order of the table."""
    return tuple(name for name, row in table().items() if row.feature is not None and row.feature.group != "published")


def input_sets() -> tuple[str, ...]:
    """Return the names of all input sets: the surface, and those that add features to it."""
    return tuple(dict.fromkeys((SURFACE_SET, *(row.feature.input_set for row in table().values() if row.feature))))


def groups_of(feature: str) -> FeatureGroups:
    """Return the groups of a feature; neighbourhood statistics have those of the variable they are made of.

    Raises
    ------
    DataError
        When the feature is not in the table or its row names no groups.
    """
    groups = variable(feature).feature
    if groups is None:
        raise DataError(
            f"'{feature}' is a feature without groups. Add 'feature: {{group: ..., physical: ..., reflected: ...}}' to "
            "its row in variables.yml."
        )
    return groups


def is_known(name: str) -> bool:
    """Return whether `name` is in the table or a neighbourhood statistic of a variable that is."""
    match = _NEIGHBOURHOOD.fullmatch(name)
    return name in table() or (match is not None and match["base"] in table())


def variable(name: str) -> Variable:
    """Return the row of `name`; neighbourhood statistics take theirs from the variable they are made of.

    Raises
    ------
    DataError
        When the name is not in the table.
    """
    if name in table():
        return table()[name]
    match = _NEIGHBOURHOOD.fullmatch(name)
    if match is None or match["base"] not in table():
        raise DataError(f"'{name}' is not in variables.yml.{did_you_mean(name, table())}")
    base = table()[match["base"]]
    where = f"within {match['radius']} km"
    low, high = base.valid_range
    return Variable(
        name=name,
        units=base.units,
        long_name=f"{base.long_name}: {match['statistic']} {where}",
        valid_range=(low, high) if match["statistic"] == "mean" else (0.0, high - low),
        over=base.over,
        degree=base.degree,
        label=f"{base.label}, {match['statistic']} {where}",
        cmap=base.cmap if match["statistic"] == "mean" else "cmo.amp",
        feature=base.feature
        and replace(
            base.feature,
            group=f"around {base.name}",
            gradient=None,
            reflected=base.feature.reflected if match["statistic"] == "mean" else "even",
        ),
    )
