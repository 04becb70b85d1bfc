"""`thor figures`: the figures of a run, listed, or drawn for a paper as PDF at the widths of its columns."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from thor.app.configuration import open_context, program_name, same_options, working_folder
from thor.app.failures import short_errors
from thor.app.options import configuration_options, path_option
from thor.core.atomic import replacing, show
from thor.core.errors import ConfigError, DataError, counted, did_you_mean, listed
from thor.core.progress import progress_bar
from thor.regimes.naming import LONG_NAMES

_ELSEWHERE = "choose another folder with --output"


def _widths(context: click.Context, parameter: click.Parameter, values: Sequence[float]) -> list[float]:
    """Return the widths in order, each once: those of one name in a file are one."""
    if not all(map(math.isfinite, values)):
        raise click.BadParameter("nan is no width in cm.")
    return sorted({float(f"{value:g}") for value in values})


@click.command(
    short_help="List the figures of a run, or write them as PDF for a paper.",
    epilog="Example: thor figures --paper regime_clustering_regimes scenario_tracking_areas",
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--paper", is_flag=True, help="Write each figure as PDF, with its numbers beside it.")
@click.option(
    "--width",
    "widths",
    type=click.FloatRange(min=0, min_open=True, max=100),
    callback=_widths,
    multiple=True,
    metavar="CM",
    help="Width in cm; may be repeated. 8.9 and 18.3, one and two columns, without it.",
)
@path_option("--output", "-o", help="Folder of the PDF files; paper_figures in this folder without it.")
@click.option("--overwrite", is_flag=True, help="Replace files of these names that lie there.")
@configuration_options
def figures(
    names: Sequence[str],
    paper: bool,
    widths: Sequence[float],
    output: Path | None,
    overwrite: bool,
    env: str | None,
    conf_source: str | None,
) -> None:
    """List the figures of a run by NAME; with --paper, draw them again, or those named, for a paper.

    Panels move to fewer columns, texts to more lines, and acronyms are spelled out below the panels. Needs what the
    pipelines left that draw the figures in a run.
    """
    if not paper and (widths or output or overwrite):
        raise click.UsageError("--width, --output and --overwrite are those of PDF files: give --paper too.")
    names = list(dict.fromkeys(names))
    with short_errors():
        drawing = _Drawing(env, conf_source)
        for name in names:
            if name not in drawing.nodes:
                near = did_you_mean(name, drawing.nodes)
                raise ConfigError(f"There is no figure '{name}'.{near} `{program_name()} figures` lists all.")
        if not paper:
            for name in names or drawing.nodes:
                click.echo(f"{name:<36} {drawing.title(name)}")
            return
        _write_all(drawing, names, widths, output or Path("paper_figures"), overwrite=overwrite)


def _write_all(
    drawing: "_Drawing", names: Sequence[str], widths: Sequence[float], folder: Path, *, overwrite: bool
) -> None:
    """Write figures and print what was written and what was not."""
    from thor.datasets.reports import write_numbers
    from thor.figures.page import PAGE_WIDTHS_CM
    from thor.report.words import acronyms

    chosen = list(names) or drawing.drawable()
    given = widths or PAGE_WIDTHS_CM
    files = {(name, width): folder / f"{name}_{width:g}cm.pdf" for name in chosen for width in given}
    _require_free(files.values(), overwrite=overwrite)
    written, left_out = 0, []
    for name, figure in progress_bar(drawing.draw(chosen), label="figures", unit="figure", total=len(chosen)):
        if not figure.axes:
            left_out.append(f"{name}: {' '.join(text.get_text() for text in figure.texts)}")
            continue
        pages = 0
        for width in given:
            try:
                write_pdf(figure, width, acronyms() | LONG_NAMES, files[name, width])
            except ConfigError as error:
                if names and (widths or width == given[-1]):
                    raise
                left_out.append(f"{name}: {error}")
            else:
                pages += 1
        if pages:
            figure.draw_without_rendering()  # names of ticks are made then
            write_numbers(figure, folder / f"{name}.png")
            written += 1
    if not written:
        raise DataError(f"No figure was written: {listed(left_out)}")
    done = f"{counted(written, 'figure')} at {' and '.join(f'{width:g}' for width in given)} cm written"
    click.echo(f"{done} to {show(folder)}/, each with its numbers beside it.")
    for line in [*left_out, *drawing.not_drawn]:
        click.echo(f"Not written: {line}", err=True)


def write_pdf(figure: Any, width: float, acronyms: dict[str, str], file: Path) -> None:
    """Write a figure without date and software version: the same figure gives the same bytes."""
    import matplotlib as mpl

    from thor.figures.page import fit_to_width

    page = fit_to_width(figure, width, acronyms=acronyms)
    with replacing(file, elsewhere=_ELSEWHERE) as temporary, mpl.rc_context({"pdf.fonttype": 42}):
        page.savefig(temporary, metadata={"CreationDate": None, "Creator": None, "Producer": None})


def _require_free(files: Iterable[Path], *, overwrite: bool) -> None:
    there = [str(show(file)) for file in files if file.exists()]
    if there and not overwrite:
        are = "is" if len(there) == 1 else "are"
        raise ConfigError(f"{listed(there)} {are} there: --overwrite replaces such files. Or {_ELSEWHERE}.")


class _Drawing:
    """The nodes that draw the figures of a run, by figure, and what they read.

    Attributes
    ----------
    nodes : dict of str to kedro.pipeline.node.Node
        In the order of the report.
    not_drawn : list of str
        Figures that `drawable` left out, with the reason.
    """

    def __init__(self, env: str | None, conf_source: str | None) -> None:
        from kedro.framework.project import pipelines

        from thor.datasets import FigureDataset
        from thor.figures.style import in_reading_order
        from thor.report.content import captions

        context = open_context(working_folder(), env, conf_source)
        self._catalog, self._loader = context.catalog, context.config_loader
        self._captions = captions()
        makers = {name: node for node in pipelines["__default__"].nodes for name in node.outputs}
        found = [name for name in makers if isinstance(self._catalog.get(name), FigureDataset)]
        self.nodes = {name: makers[name] for name in in_reading_order(found, first=tuple(self._captions))}
        self.not_drawn: list[str] = []

    def title(self, name: str) -> str:
        """Return the title of a figure in the report; empty for one that is not in it."""
        return self._captions[name].title if name in self._captions else ""

    def drawable(self) -> list[str]:
        """Return the figures that a run drew.

        Raises
        ------
        DataError
            When there are none.
        """
        names = [name for name in self.nodes if self._catalog.get(name).exists()]
        self.not_drawn = [f"{name}: no run has drawn it." for name in self.nodes if name not in names]
        if not names:
            raise DataError(
                f"No figure is in {show(self._catalog.get(next(iter(self.nodes)))._filepath.parent)}/. Draw them with "
                f"`{program_name()} run{same_options()}`, or start this in the folder and environment (--env) of a run."
            )
        return names

    def draw(self, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Yield each of the figures; a node that draws several draws them once.

        Raises
        ------
        DataError
            When no run has drawn a figure, or its inputs are missing.
        """
        from kedro.io.core import is_parameter

        from thor.app.inputs import require_available

        done: dict[str, Any] = {}
        for name in names:
            node = self.nodes[name]
            if not self._catalog.get(name).exists():
                file, pipeline = show(self._catalog.get(name)._filepath), node.name.partition(".")[0]
                command = f"{program_name()} run{same_options()} --pipelines {pipeline}"
                raise DataError(f"No run has drawn '{name}': {file} does not exist. Draw it with `{command}`.")
            if name not in done:
                data = [source for source in node.inputs if not is_parameter(source)]
                require_available(data, self._catalog, self._loader)
                done = node.run({source: self._catalog.load(source) for source in node.inputs})
            yield name, done[name]
