"""The files of the idealized archive: names and global attributes of CMIP6 or CMIP7, and functions that make them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import xarray as xr

from thor.core.fingerprint import fingerprint
from thor.core.variables import REGIME_FIELDS, TRACERS, TRANSPORTS, Published, published, variable
from thor.ocean.idealized.air_temperature import ATMOSPHERE_DEGREES, atmospheric_areas, monthly_temperature
from thor.ocean.idealized.archive_settings import CONTROL, ArchiveSettings
from thor.ocean.idealized.hydrography import annual_tracer
from thor.ocean.idealized.published_fields import MONTHLY, POINTS, fixed_field, monthly_field, points_of
from thor.ocean.idealized.scenarios import CONTROL_VARIANT, IdealizedRun, runs_of
from thor.ocean.idealized.surface_heat import annual_surface_field
from thor.ocean.idealized.vertical import annual_transport, publishes_transports

INSTITUTION_ID = "THOR"
DRS_VERSION = "v20240101"
"""Version of every dataset in the archive: an arbitrary day; readers take the newest."""

REGION = "glb"
"""Region of all files, in CMIP7."""

_GRIDS = {
    "regular": "regular latitude-longitude grid",
    "displaced_pole": "orthogonal curvilinear grid, northern pole displaced to Greenland",
    "regular_land_suppressed": "regular latitude-longitude grid, coordinates suppressed on land",
}
_ATMOSPHERE = f"regular latitude-longitude grid of {ATMOSPHERE_DEGREES:g} degrees"


@dataclass(frozen=True)
class ArchiveFile:
    """One file of the archive.

    Attributes
    ----------
    run : IdealizedRun
    variable_id : str
    years : (int, int) or None
        First year and the one after the last, counted from the experiment's first as 0; None for fixed fields.
    grid_number : int
        Place of the model in the archive.
    """

    run: IdealizedRun
    variable_id: str
    years: tuple[int, int] | None
    grid_number: int

    @property
    def published(self) -> Published:
        """Tables and grid point with which models publish the variable."""
        source = variable(self.variable_id).published
        assert source is not None
        return source

    @property
    def grid_label(self) -> str:
        """``gn`` in CMIP6; in CMIP7 every kind of points of every model has its label, and its atmosphere the next."""
        if self.run.archive.mip_era == "CMIP6":
            return "gn"
        ocean = self.published.realm == "ocean"
        number = POINTS.index(points_of(self.variable_id, self.run.model)) if ocean else len(POINTS)
        return f"g{100 + 10 * self.grid_number + number}"

    @property
    def key(self) -> str:
        """Path in the archive, as the data reference syntax has it."""
        run = self.run.key.split("/")
        name, source, label = self.variable_id, self.published, self.grid_label
        activity = self.run.experiment.activity_id
        if self.run.archive.mip_era == "CMIP6":
            folder = ["CMIP6", activity, INSTITUTION_ID, *run, source.cmip6, name, label, DRS_VERSION]
            words = [name, source.cmip6, *run, label]
        else:
            folder = ["MIP-DRS7", "CMIP7", activity, INSTITUTION_ID, *run, REGION]
            folder += [source.frequency, name, str(source.cmip7), label, DRS_VERSION]
            words = [name, str(source.cmip7), source.frequency, REGION, label, *run]
        if self.years is not None:
            first, beyond = (self.run.first_year + year for year in self.years)
            words.append(f"{first:04d}01-{beyond - 1:04d}12")
        return "/".join((*folder, "_".join(words) + ".nc"))


def idealized_archive(settings: ArchiveSettings, *, seed: int) -> dict[str, tuple[str, Callable[[], xr.Dataset]]]:
    """Return every file of the archive: its fingerprint and a function that makes its dataset.

    Parameters
    ----------
    settings : ArchiveSettings
    seed : int
        Draws hills and weather of all models; the same seed gives the same files, bit for bit.

    Returns
    -------
    dict of str to (str, callable)
        Keys are paths of files below ``CMIP6`` or ``MIP-DRS7/CMIP7`` (`thor.reading.layouts`). A file changes when the
        settings of its model or those of the whole archive do. A model is solved when its first file is made.
        The datasets' times are numbers with CF attributes, and their encoding is complete
        (``dataset.to_netcdf(path, format="NETCDF4")``).
    """
    archive: dict[str, tuple[str, Callable[[], xr.Dataset]]] = {}
    for file in archive_files(settings, seed=seed):
        mark = fingerprint(file.run.archive, seed, file.key)
        archive[file.key] = (mark, partial(_dataset, file, mark))
    return archive


def archive_files(settings: ArchiveSettings, *, seed: int) -> Iterator[ArchiveFile]:
    """Yield every file, model by model: fixed fields with piControl, then each experiment and variant."""
    for number, model in enumerate(settings.models):
        of_model = settings.replace(models=(model,))
        control = IdealizedRun(of_model, model, CONTROL, CONTROL_VARIANT, seed)
        for variable_id in published(fixed=True, realm=None):
            yield ArchiveFile(control, variable_id, None, number)
        for run in runs_of(of_model, model, seed=seed):
            # whole years in every file, as many files as the experiment has or fewer
            edges = np.linspace(0, run.n_years, run.experiment.n_files + 1).astype(int).tolist()
            annual = (*TRANSPORTS, *REGIME_FIELDS, *(TRACERS if number < settings.density_models else ()))
            changing = (*MONTHLY, "tas", *(annual if publishes_transports(run) else ()))
            for variable_id, years in product(changing, pairwise(edges)):
                if years[0] < years[1]:
                    yield ArchiveFile(run, variable_id, years, number)


def _dataset(file: ArchiveFile, mark: str) -> xr.Dataset:
    if file.variable_id == "areacella":
        dataset = atmospheric_areas()
    elif file.years is None:
        dataset = fixed_field(file.run.model, file.variable_id, seed=file.run.seed)
    elif file.variable_id in TRANSPORTS:
        dataset = annual_transport(file.run, file.variable_id, years=file.years)
    elif file.variable_id in TRACERS:
        dataset = annual_tracer(file.run, file.variable_id, years=file.years)
    elif file.variable_id in REGIME_FIELDS:
        dataset = annual_surface_field(file.run, file.variable_id, years=file.years)
    elif file.variable_id == "tas":
        dataset = monthly_temperature(file.run, years=file.years)
    else:
        dataset = monthly_field(file.run, file.variable_id, years=file.years)
    return dataset.assign_attrs(global_attributes(file, mark))


def global_attributes(file: ArchiveFile, mark: str) -> dict[str, str | float | np.int32]:
    """Return the global attributes of a file with the fingerprint `mark`."""
    run, source_id = file.run, file.run.model.source_id
    return {
        **_form(file),
        "activity_id": run.experiment.activity_id,
        "institution_id": INSTITUTION_ID,
        "institution": "THOR, open-source software for ocean regimes",
        "source_id": source_id,
        "source": f"{source_id}: steady equivalent-barotropic ocean driven by combinations of wind patterns",
        "comment": "Made by thor.ocean.idealized; no Earth system model.",
        "experiment_id": run.experiment_id,
        "experiment": run.experiment.title,
        "variant_label": run.variant_label,
        "realization_index": np.int32(run.variant_label.removeprefix("r").split("i")[0]),
        **dict.fromkeys(("initialization_index", "physics_index", "forcing_index"), np.int32(1)),
        "sub_experiment_id": "none",
        "variable_id": file.variable_id,
        "frequency": file.published.frequency,
        "realm": file.published.realm,
        "product": "model-output",
        "grid_label": file.grid_label,
        "grid": _GRIDS[run.model.grid] if file.published.realm == "ocean" else _ATMOSPHERE,
        "tracking_id": f"hdl:21.14100/{uuid5(NAMESPACE_URL, f'{file.key}#{mark}')}",
        **_parent(run),
    }


def _form(file: ArchiveFile) -> dict[str, str]:
    """Return the attributes that only one phase of CMIP has."""
    if file.run.archive.mip_era == "CMIP6":
        return {"Conventions": "CF-1.7 CMIP-6.2", "mip_era": "CMIP6", "table_id": file.published.cmip6}
    suffix = str(file.published.cmip7)
    return {
        "Conventions": "CF-1.12",
        "mip_era": "CMIP7",
        "drs_specs": "MIP-DRS7",
        "region": REGION,
        "branding_suffix": suffix,
        "branded_variable": f"{file.variable_id}_{suffix}",
    }


def _parent(run: IdealizedRun) -> dict[str, str | float]:
    """Return where the run branches off its parent; all experiments do on the first of January."""
    names = ("activity_id", "experiment_id", "mip_era", "source_id", "time_units", "variant_label")
    parent = run.parent
    if parent is None:
        method, branch_time, values = "no parent", 0.0, ("no parent",) * len(names)
    else:
        branch = parent.months(run.branch_year, run.branch_year + 1)
        method, branch_time = "standard", float(branch.edges[0])
        values = (parent.experiment.activity_id, parent.experiment_id, run.archive.mip_era, run.model.source_id)
        values += (branch.units, parent.variant_label)
    return {
        "branch_method": method,
        "branch_time_in_child": 0.0,
        "branch_time_in_parent": branch_time,
        **{f"parent_{name}": value for name, value in zip(names, values, strict=True)},
    }
