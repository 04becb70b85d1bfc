"""python -m tests.programs.server ADDRESS: forks the programs that its clients ask for; ends with standard input.

For each client there is a keeper, which tells it how its program has ended, and ends the program if the client is
killed.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

LIBRARIES = (
    *("cartopy.feature", "click", "cmocean", "dask.array", "distributed", "matplotlib.pyplot", "mlflow", "netCDF4"),
    *("mlflow.store.tracking.sqlalchemy_store", "omegaconf", "pandas", "pydantic", "scipy.stats", "sklearn.ensemble"),
    "xarray",
)
SOURCE = Path(__file__).parents[2] / "src" / "thor"
OURS = (
    "thor.app.parameters",
    *(f"thor.pipelines.{file.parent.name}.nodes" for file in sorted(SOURCE.glob("pipelines/*/nodes.py"))),
)
"""Modules that import all of the library, and nothing of Kedro."""


def serve(address: str) -> None:
    """Return in each process that is a program, and when standard input ends."""
    for name in (*LIBRARIES, *OURS):
        import_module(name)
    gc.freeze()  # its pages remain shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers leave nothing
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.new")
        server.listen()
        os.rename(f"{address}.new", address)
        while sys.stdin.buffer not in select.select([server, sys.stdin.buffer], [], [])[0]:
            client, _ = server.accept()
            if os.fork() == 0:
                server.close()
                keep(client)
                return
            client.close()


def keep(client: socket.socket) -> None:
    """Fork the program and wait for it; return in the program alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, outputs, _, _ = socket.recv_fds(client, 8, 2)
    request = json.loads(client.makefile("rb").read(int.from_bytes(size)))
    program = os.fork()
    if program == 0:
        client.close()
        become(request, outputs)
        return
    client.sendall(b"%d\n" % program)
    ended = os.pidfd_open(program)
    if ended not in select.select([client, ended], [], [])[0]:
        os.kill(program, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with suppress(BrokenPipeError):  # of a killed client
        client.sendall(b"%d\n" % code)
    os._exit(0)


def become(request: dict, outputs: list[int]) -> None:
    """Run the program in this process, as `python -m` would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
        os.close(output)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = request["folder"]
    forget_code_of_another(Path(request["folder"]))
    program, *arguments = request["command"]
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def forget_code_of_another(folder: Path) -> None:
    """Forget the library where the folder lies in a project with another copy of it."""
    copies = (place / "src" / "thor" for place in (folder, *folder.parents))
    if any(copy.is_dir() and not copy.samefile(SOURCE) for copy in copies):
        for name in [name for name in sys.modules if name.partition(".")[0] == "thor"]:
            del sys.modules[name]


if __name__ == "__main__":
    serve(sys.argv[1])
