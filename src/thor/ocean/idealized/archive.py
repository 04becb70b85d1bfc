"""The files of the idealized archive: names and global attributes of CMIP6 or CMIP7, and functions that make them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import xarray as xr

from thor.core.fingerprint import fingerprint
from thor.core.variables import Published, published, variable
from thor.ocean.idealized.archive_settings import CONTROL, EXPERIMENTS, ArchiveSettings, ClimateModelSettings, MipEra
from thor.ocean.idealized.calendars import months
from thor.ocean.idealized.published_fields import MONTHLY, POINTS, fixed_field, monthly_field, points_of
from thor.ocean.idealized.scenarios import branch_year, first_year, variant_labels

INSTITUTION_ID = "THOR"
DRS_VERSION = "v20240101"
"""Version of every dataset in the archive: an arbitrary day; readers take the newest."""

REGION = "glb"
"""Region of all files, in CMIP7."""

CONTROL_VARIANT = "r1i1p1f1"

_GRIDS = {
    "regular": "regular latitude-longitude grid",
    "displaced_pole": "orthogonal curvilinear grid, northern pole displaced to Greenland",
    "regular_land_suppressed": "regular latitude-longitude grid, coordinates suppressed on land",
}


@dataclass(frozen=True)
class ArchiveFile:
    """One file of the archive.

    Attributes
    ----------
    model : ClimateModelSettings
    experiment_id, variant_label, variable_id : str
    years : (int, int) or None
        First year and the one after the last, counted from the experiment's first as 0; None for fixed fields.
    """

    model: ClimateModelSettings
    experiment_id: str
    variant_label: str
    variable_id: str
    years: tuple[int, int] | None
    mip_era: MipEra
    grid_number: int

    @property
    def published(self) -> Published:
        """Tables and grid point with which models publish the variable."""
        source = variable(self.variable_id).published
        assert source is not None
        return source

    @property
    def grid_label(self) -> str:
        """``gn`` in CMIP6; in CMIP7 every kind of points of every model has its label."""
        if self.mip_era == "CMIP6":
            return "gn"
        kind = points_of(self.variable_id, self.model)
        return f"g{100 + 10 * self.grid_number + POINTS.index(kind)}"

    @property
    def key(self) -> str:
        """Path in the archive, as the data reference syntax has it."""
        run = (self.model.source_id, self.experiment_id, self.variant_label)
        name, source, label = self.variable_id, self.published, self.grid_label
        if self.mip_era == "CMIP6":
            folder: tuple[str, ...] = (
                "CMIP6",
                "CMIP",
                INSTITUTION_ID,
                *run,
                source.cmip6,
                name,
                label,
                DRS_VERSION,
            )
            words: tuple[str, ...] = (name, source.cmip6, *run, label, *self._months)
        else:
            place = ("MIP-DRS7", "CMIP7", "CMIP", INSTITUTION_ID, *run, REGION, source.frequency)
            folder = (*place, name, str(source.cmip7), label, DRS_VERSION)
            words = (name, str(source.cmip7), source.frequency, REGION, label, *run, *self._months)
        return "/".join((*folder, "_".join(words) + ".nc"))

    @property
    def _months(self) -> tuple[str, ...]:
        if self.years is None:
            return ()
        start = first_year(self.model, self.experiment_id)
        return (f"{start + self.years[0]:04d}01-{start + self.years[1] - 1:04d}12",)


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
    for file in archive_files(settings):
        of_model = settings.replace(models=(file.model,))
        mark = fingerprint(of_model, seed, file.key)
        archive[file.key] = (mark, partial(_dataset, file, of_model, seed, mark))
    return archive


def archive_files(settings: ArchiveSettings) -> Iterator[ArchiveFile]:
    """Yield every file, model by model: fixed fields with piControl, then each experiment and variant."""
    for number, model in enumerate(settings.models):
        of_model = partial(ArchiveFile, model, mip_era=settings.mip_era, grid_number=number)
        for variable_id in published(fixed=True):
            yield of_model(CONTROL, CONTROL_VARIANT, variable_id, None)
        for experiment_id in settings.experiments:
            # whole years in every file, as many files as the experiment has or fewer
            edges = np.linspace(0, settings.n_years, EXPERIMENTS[experiment_id].n_files + 1).astype(int).tolist()
            for variant_label in variant_labels(experiment_id):
                for variable_id in MONTHLY:
                    for years in pairwise(edges):
                        if years[0] < years[1]:
                            yield of_model(experiment_id, variant_label, variable_id, years)


def _dataset(file: ArchiveFile, settings: ArchiveSettings, seed: int, mark: str) -> xr.Dataset:
    if file.years is None:
        dataset = fixed_field(file.model, file.variable_id, seed=seed)
    else:
        dataset = monthly_field(
            settings,
            file.model,
            file.experiment_id,
            file.variant_label,
            file.variable_id,
            years=file.years,
            seed=seed,
        )
    return dataset.assign_attrs(global_attributes(file, settings, mark))


def global_attributes(file: ArchiveFile, settings: ArchiveSettings, mark: str) -> dict[str, str | int | float]:
    """Return the global attributes of a file with the fingerprint `mark`."""
    source_id = file.model.source_id
    return {
        **_form(file),
        "activity_id": "CMIP",
        "institution_id": INSTITUTION_ID,
        "institution": "THOR, open-source software for ocean regimes",
        "source_id": source_id,
        "source": f"{source_id}: steady equivalent-barotropic ocean driven by combinations of wind patterns",
        "comment": "Made by thor.ocean.idealized; no Earth system model.",
        "experiment_id": file.experiment_id,
        "experiment": EXPERIMENTS[file.experiment_id].title,
        "variant_label": file.variant_label,
        "realization_index": int(file.variant_label.removeprefix("r").split("i")[0]),
        **dict.fromkeys(("initialization_index", "physics_index", "forcing_index"), 1),
        "sub_experiment_id": "none",
        "variable_id": file.variable_id,
        "frequency": file.published.frequency,
        "realm": "ocean",
        "product": "model-output",
        "grid_label": file.grid_label,
        "grid": _GRIDS[file.model.grid],
        "tracking_id": f"hdl:21.14100/{uuid5(NAMESPACE_URL, f'{file.key}#{mark}')}",
        **_parent(file, settings),
    }


def _form(file: ArchiveFile) -> dict[str, str]:
    """Return the attributes that only one phase of CMIP has."""
    if file.mip_era == "CMIP6":
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


def _parent(file: ArchiveFile, settings: ArchiveSettings) -> dict[str, str | float]:
    """Return where the run branches off piControl; all experiments do on the first of January."""
    names = ("activity_id", "experiment_id", "mip_era", "source_id", "time_units", "variant_label")
    if file.experiment_id == CONTROL:
        method, branch_time, values = "no parent", 0.0, ("no parent",) * len(names)
    else:
        start = first_year(file.model, CONTROL)
        years = branch_year(settings, file.experiment_id, file.variant_label)
        control = months(file.model.calendar, first_year=start + years, n_years=1, origin_year=start)
        method, branch_time = "standard", float(control.edges[0])
        values = ("CMIP", CONTROL, file.mip_era, file.model.source_id, control.units, CONTROL_VARIANT)
    return {
        "branch_method": method,
        "branch_time_in_child": 0.0,
        "branch_time_in_parent": branch_time,
        **{f"parent_{name}": value for name, value in zip(names, values, strict=True)},
    }
