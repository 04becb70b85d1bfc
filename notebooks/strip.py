"""Remove outputs and editor metadata from notebooks: `python notebooks/strip.py [FILE ...]`, all by default."""

import sys
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parent


def stripped(path: Path) -> str:
    """Return the text of a notebook without outputs, execution counts and metadata of its user."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook) + "\n"


def main(names: list[str]) -> None:
    """Strip these notebooks, or all in the folder; stripped notebooks are not rewritten."""
    for path in map(Path, names) if names else sorted(FOLDER.glob("*.ipynb")):
        text = stripped(path)
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
