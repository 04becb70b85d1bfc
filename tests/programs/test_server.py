"""The server of programs holds nothing that a program must import itself."""

import subprocess
import sys

from tests.programs import PROJECT

CODE = """
import sys
from importlib import import_module
from pathlib import Path
from tests.programs.server import OURS, forget_code_of_another

for name in OURS:
    import_module(name)
known = {name.partition(".")[0] for name in sys.modules}
assert "thor" in known and not known & {"kedro", "mlflow", "tensorflow"}, known
forget_code_of_another(Path(sys.argv[1]))
assert "thor.core" in sys.modules
forget_code_of_another(Path(sys.argv[2]) / "below")
assert not [name for name in sys.modules if name.startswith("thor")]
"""


def test_modules_of_ours_need_no_kedro_and_are_forgotten_for_another_copy(tmp_path):
    (tmp_path / "src" / "thor").mkdir(parents=True)
    command = [sys.executable, "-c", CODE, PROJECT, tmp_path]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
