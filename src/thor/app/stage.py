"""`thor stage`: pack one stage into an archive for another team, and unpack it."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import click

from thor import __version__, handover
from thor.app.configuration import open_context, program_name, run_record, same_options, working_folder
from thor.app.failures import short_errors
from thor.app.options import configuration_options, path_option
from thor.core.errors import ConfigError, DataError, counted, did_you_mean, listed
from thor.core.mixing import mixed_results
from thor.handover.manifest import Manifest, shown

PIN = click.option("--sha256", metavar="HEX", help="Expected SHA-256 of the archive, from its sender.")
ARCHIVE = click.argument("archive", type=click.Path(path_type=Path))

_IN_MEMORY = 100_000_000
"""Bytes of fields that are checked in memory; larger ones, block by block."""


@click.group()
def stage() -> None:
    """Transfer a pipeline's outputs to another team in one verified archive."""


@stage.command("pack")
@click.argument("pipeline")
@configuration_options
@path_option("--output", "-o", help="The archive; thor_PIPELINE_ENV.tar[.gz] without it.")
@click.option("--accept-changed", is_flag=True, help="Pack outputs that were changed after the run on record.")
def pack_command(
    pipeline: str, env: str | None, conf_source: str | None, output: Path | None, accept_changed: bool
) -> None:
    """Pack what the nodes of PIPELINE write, with a manifest of checksums, versions, seed and parameters."""
    with short_errors():
        project = _Project(env, conf_source)
        names, groups = project.outputs_of(pipeline)
        project.require_outputs(pipeline, names)
        record = run_record(project.root)
        made: dict[str, handover.Made] = {}

        def remember(name: str, checksum: str) -> handover.Made:
            made[name] = handover.made_by(record.content, name, checksum, groups=groups)
            if made[name].changed and not accept_changed:
                raise DataError(
                    f"'{name}' ({project.places[name].path}) differs from the run record: it was changed later. "
                    f"Make it again with `{project.command(pipeline)}`, or pack it as it is with --accept-changed."
                )
            return made[name]

        archive, manifest, checksum = handover.pack(
            [project.places[name] for name in (*names, *project.numbers_of(names))],
            output or (lambda compressed: Path(f"thor_{pipeline}_{project.environment}.tar{'.gz' * compressed}")),
            root=project.root,
            pipeline=pipeline,
            environment=project.environment,
            thor_version=__version__,
            made=remember,
        )
        click.echo(f"Packed into {archive}:")
        _print_manifest(manifest, checksum)
        _warn("changed after the run on record", [name for name, maker in made.items() if maker.changed])
        unknown = [name for name, maker in made.items() if maker.run is None and not maker.changed]
        _warn("in no run record: the archive does not name the run that made them", unknown)
        click.echo(f"Send to the receiver: thor stage unpack {archive.name} --sha256 {checksum}")


@stage.command("verify")
@ARCHIVE
@PIN
def verify_command(archive: Path, sha256: str | None) -> None:
    """List what is in ARCHIVE and verify all of it; nothing is unpacked."""
    with short_errors():
        manifest, checksum = handover.verify(archive, sha256=sha256)
        _print_manifest(manifest, checksum)
        n_files = len(manifest.files)
        files = f"All {n_files} files are present and agree" if n_files > 1 else "The one file is present and agrees"
        click.echo(f"{files} with the manifest.{_unpinned(sha256)}")


@stage.command("unpack")
@ARCHIVE
@configuration_options
@PIN
@click.option("--force", is_flag=True, help="Replace other files that lie in their places.")
def unpack_command(archive: Path, env: str | None, conf_source: str | None, sha256: str | None, force: bool) -> None:
    """Put the files of ARCHIVE into their places below data_root, after all of it was verified."""
    with short_errors():
        project = _Project(env, conf_source)
        places, root, record = project.places, project.root, run_record(project.root).path
        received = handover.unpack(
            archive, places, root=root, record=record, force=force, sha256=sha256, check=check_fields
        )
        manifest = received.manifest
        _print_manifest(manifest, received.sha256)
        if manifest.environment != project.environment:
            click.echo(f"Note: packed in environment {shown(manifest.environment)}, this is '{project.environment}'.")
        if manifest.thor_version != __version__:
            click.echo(f"Note: packed with THOR {shown(manifest.thor_version)}; this is {__version__}.")
        click.echo(
            f"Verified; {counted(len(received.placed), 'dataset')} put in place below {project.shown_root}/, "
            f"{len(received.kept)} {'was' if len(received.kept) == 1 else 'were'} there already.{_unpinned(sha256)}"
        )
        for sentence in mixed_results(run_record(project.root).content, command=project.command()):
            click.echo(sentence, err=True)
        readers = project.readers_of(name for name in project.places if name in {d.name for d in manifest.datasets})
        if readers:
            click.echo(f"They are read by: {', '.join(readers)}. Go on with `{project.command(readers[0])}`.")


class _Project:
    """The project as the environment has it: where its datasets lie, and which pipelines make and read them."""

    def __init__(self, env: str | None, conf_source: str | None) -> None:
        from kedro.framework.project import pipelines

        folder = working_folder()
        context = open_context(folder, env, conf_source)
        self._catalog = context.catalog
        self.environment = context.env or context.config_loader.base_env
        self.pipelines = dict(pipelines)
        self.shown_root = str(context.config_loader["globals"].get("data_root", "data"))
        self.root = folder / self.shown_root
        each = (place for name in self._catalog for place in _places(name, self._catalog.get(name), folder, self.root))
        self.places = {place.name: place for place in each}

    def outputs_of(self, pipeline: str) -> tuple[list[str], set[str]]:
        """Return the datasets that a pipeline writes, and the parameter groups that determine their content."""
        if pipeline not in self.pipelines:
            raise ConfigError(f"There is no pipeline '{pipeline}'.{did_you_mean(pipeline, self.pipelines)}")
        chosen = self.pipelines[pipeline]
        names = sorted(chosen.all_outputs())
        if elsewhere := [name for name in names if name not in self.places]:
            raise ConfigError(
                f"'{elsewhere[0]}', an output of '{pipeline}', is no file below data_root in environment "
                f"'{self.environment}'. Only what a pipeline leaves there is handed over."
            )
        groups = {name.removeprefix("params:").split(".")[0] for name in chosen.inputs() if name.startswith("params:")}
        return names, groups - {"compute"}  # the place of the work changes no result

    def numbers_of(self, names: Iterable[str]) -> list[str]:
        """Return the names of the files with numbers that lie beside figures."""
        beside = [f"{name}{file.suffix}" for name in names for file in getattr(self._catalog.get(name), "beside", ())]
        return [name for name in beside if name in self.places]

    def require_outputs(self, pipeline: str, names: Iterable[str]) -> None:
        """Return when all these datasets are there, and no folder holds files of two settings."""
        from thor.datasets.saves import Saves

        names = list(names)
        if missing := [name for name in names if not self._catalog.get(name).exists()]:
            texts = listed([f"{name} ({self.shown_root}/{self.places[name].path})" for name in missing])
            raise DataError(
                f"{len(missing)} of the outputs of '{pipeline}' are missing: {texts}. "
                f"Make them with `{self.command(pipeline)}`, or check data_root in globals.yml."
            )
        for place in map(self.places.__getitem__, names):
            if place.folder:
                Saves(self.root / place.path).require_end()

    def readers_of(self, names: Iterable[str]) -> list[str]:
        """Return the pipelines that read these datasets without making them, in the order of a whole run."""
        named = set(names)
        order = {node.name: place for place, node in enumerate(self.pipelines["__default__"].nodes)}
        first = {
            name: min(order.get(node.name, len(order)) for node in pipeline.nodes)
            for name, pipeline in self.pipelines.items()
            if pipeline.inputs() & named and name not in ("__default__", "study")
        }
        return sorted(first, key=lambda name: first[name])

    def command(self, pipeline: str = "") -> str:
        """Return the command that runs a pipeline here, or its beginning for any."""
        return f"{program_name()} run" + (f" --pipelines {pipeline}" if pipeline else "") + same_options()


def _places(name: str, dataset: Any, folder: Path, root: Path) -> Iterator[Any]:
    """Yield where the catalog keeps a dataset, and the numbers beside a figure; nothing outside `data_root`."""
    from thor.app.inputs import described_path
    from thor.datasets import NetworkDataset
    from thor.datasets.reports import NUMBERS

    described, path = dataset._describe(), described_path(dataset)
    if path is None or not (folder / path).is_relative_to(root):
        return
    place = handover.Place(
        name=name,
        type=type(dataset).__name__.removeprefix("Optional"),  # the same file, whether or not it may be absent
        layer=((dataset.metadata or {}).get("kedro-viz") or {}).get("layer", ""),
        path=(folder / path).relative_to(root).as_posix(),
        folder="path" in described or isinstance(dataset, NetworkDataset),
        contract=described.get("contract"),
    )
    yield place
    for suffix in NUMBERS if hasattr(dataset, "beside") else ():
        beside = PurePosixPath(place.path).with_suffix(suffix).as_posix()
        yield place.model_copy(update={"name": f"{name}{suffix}", "type": "FigureNumbers", "path": beside})


def check_fields(place: Any, file: Any, path: Path) -> None:
    """Raise when a NetCDF file cannot be read or breaks the contract of its stage; nothing else is opened."""
    if not file.path.endswith(".nc"):
        return
    from thor.core.contracts import check
    from thor.datasets.netcdf import open_netcdf

    try:
        with open_netcdf(path, chunks=None) as dataset:
            if place.contract:
                # Small fields in memory: dask would take most of the time.
                held = dataset.load() if dataset.nbytes <= _IN_MEMORY else dataset.chunk("auto")
                check(held, place.contract, where=file.path)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{file.path} of the archive cannot be read as NetCDF: {error}.") from error


def _print_manifest(manifest: Manifest, checksum: str) -> None:
    """Print what an archive holds."""
    click.echo(f"Stage {shown(manifest.pipeline)} of environment {shown(manifest.environment)}:")
    width = max((len(dataset.name) for dataset in manifest.datasets), default=0)
    for dataset in manifest.datasets:
        files = "file " if len(dataset.files) == 1 else "files"
        megabytes = sum(file.size for file in dataset.files) / 1e6
        click.echo(f"  {dataset.name:<{width}}  {len(dataset.files):>4} {files} {megabytes:>9.2f} MB  {dataset.path}")
    for run in manifest.runs:
        click.echo(
            f"Made by THOR {shown(run.versions.get('thor'))}, git {shown(run.git)}, Python {shown(run.python)}, "
            f"seed {run.seed}; parameters are in its manifest.json."
        )
    if pickles := manifest.pickles:
        click.echo(
            f"Holds pickles ({', '.join(pickles)}), which execute code when they are loaded: "
            "load them only when you trust the sender and the SHA-256 is the sender's."
        )
    size = f"{counted(len(manifest.files), 'file')}, {manifest.n_bytes / 1e6:.1f} MB"
    click.echo(f"{size}; SHA-256 of the archive:\n{checksum}")


def _unpinned(sha256: str | None) -> str:
    return "" if sha256 else " Compare its SHA-256 with that of the sender (--sha256 does that)."


def _warn(what: str, names: list[str]) -> None:
    if names:
        are = "is" if len(names) == 1 else "are"
        click.echo(f"Note: {counted(len(names), 'dataset')} {are} {what}: {listed(names)}.", err=True)
