"""Count the lines of code in `src/thor`, folder by folder: without docstrings, comments and blank lines.

python benchmarks/code_lines.py [FOLDER]
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


def main() -> None:
    """Print one line a folder, and the sum."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "src" / "thor")
    counts: Counter[str] = Counter()
    for path in root.rglob("*.py"):
        counts[path.relative_to(root).parts[0]] += code_lines(path.read_text(encoding="utf-8"))
    for name, count in sorted(counts.items()):
        print(f"{count:6d}  {name}")
    print(f"{sum(counts.values()):6d}  in total")


def code_lines(source: str) -> int:
    """Return the number of lines of Python that hold code."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        for statement in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                docstrings.update(range(statement.lineno, (statement.end_lineno or 0) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - docstrings)


if __name__ == "__main__":
    main()
