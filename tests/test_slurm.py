"""The job scripts in examples/slurm, run by SLURM where it is there, otherwise by commands of the same names."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[1]
SLURM = REPOSITORY / "examples" / "slurm"
STUDY = "examples/slurm/study.sbatch"

COMMANDS = {
    # Starts a job at once, with the output that its options or the lines of the script name.
    "sbatch": """
if [[ $1 == --test-only ]]; then
    grep -q -- '^#SBATCH -p nowhere$' && { echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1; }
    exit 0
fi
options=()
while [[ ${1:-} == -* ]]; do options+=("$1"); shift; done
job=$(($(ls "$JOBS" | wc -l) + 1))
mkdir "$JOBS/$job"
output=$( (printf '%s\\n' "${options[@]}"; sed -n 's/^#SBATCH //p' "$1") | sed -n 's/^--output=//p' | head -1)
cp "$1" "$JOBS/$job/script"
printf '%s\\n' "$PWD" "${output/\\%j/$job}" "$JOBS/$job/script" "${@:2}" >"$JOBS/$job/job"
start_job "$job"
echo "Submitted batch job $job"
""",
    "scontrol": '[[ $1 == requeue ]] && start_job "$2"',
    "scancel": """
signal=TERM group=-
while [[ $1 == --* ]]; do case $1 in --signal=*) signal=${1#*=} ;; --batch) group='' ;; esac; shift; done
for job in "$@"; do kill -"$signal" -- "$group$(cat "$JOBS/$job/pid")" || true; done
""",
    "start_job": """
mapfile -t job <"$JOBS/$1/job"
SLURM_SUBMIT_DIR=${job[0]} SLURM_JOB_ID=$1 setsid bash "${job[@]:2}" >>"${job[1]:-/dev/null}" 2>&1 &
echo $! >"$JOBS/$1/pid"
""",
}
"""What a scheduler with one machine and no queue would do."""


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """A folder of commands before the others, with those of a scheduler unless SLURM itself answers; ends its jobs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY / 'src'}:{os.environ.get('PYTHONPATH', '')}")
    for name in ("THOR_MODULES", "THOR_CONDA_ENV", "THOR_WORKER_JOBS"):
        monkeypatch.delenv(name, raising=False)
    if not shutil.which("sinfo") or subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        (tmp_path / "jobs").mkdir()
        monkeypatch.setenv("JOBS", str(tmp_path / "jobs"))
        for name, script in COMMANDS.items():
            command(folder, name, f"#!/bin/bash\nset -e\n{script}")
    yield folder
    for pid in (tmp_path / "jobs").glob("*/pid"):
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(int(pid.read_text()), signal.SIGKILL)


@pytest.fixture
def clone(tmp_path):
    """A folder with nothing but the scripts: no .venv, whose `kedro` would come before that of a test."""
    (tmp_path / "clone" / "examples").mkdir(parents=True)
    (tmp_path / "clone" / "examples" / "slurm").symlink_to(SLURM)
    return tmp_path / "clone"


def command(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


def submit(folder, log, *arguments):
    """Submit the study with a few resources from the folder, and return the number of its job."""
    options = ["--cpus-per-task=1", "--mem=2G", f"--output={log}"]
    done = subprocess.run(
        ["sbatch", *options, STUDY, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return re.fullmatch(r"Submitted batch job (\d+)", done.stdout.strip())[1]


def text_of(log):
    return log.read_text() if log.is_file() else ""


def test_the_scripts_pass_shellcheck():
    if not shutil.which("shellcheck"):
        if os.environ.get("THOR_REQUIRE_DATA") == "1":
            pytest.fail("THOR_REQUIRE_DATA is 1, but shellcheck is not installed (apt-get install shellcheck).")
        pytest.skip("install shellcheck")
    scripts = ["study.sbatch", "environment.sh"]
    done = subprocess.run(
        ["shellcheck", "-x", *(f"examples/slurm/{name}" for name in scripts)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_study_runs_as_a_job(scheduler, tmp_path, monkeypatch):
    monkeypatch.setenv("THOR_TEST_ROOT", str(tmp_path / "data"))
    log = tmp_path / "job.log"
    submit(REPOSITORY, log, "--env", "test", "--pipeline", "idealized_ocean")
    wait_until(lambda: re.search(r"results in|Failed", text_of(log)), timeout=240)
    assert "Failed" not in text_of(log)
    assert (tmp_path / "data/01_raw/training_ocean.nc").is_file()


def test_a_failing_study_fails_the_job_and_ends_it(scheduler, clone, tmp_path):
    log = tmp_path / "job.log"
    command(scheduler, "kedro", "#!/bin/bash\necho Failed.; exit 3\n")
    submit(clone, log)
    wait_until(lambda: "Failed." in text_of(log), timeout=60)
    assert "queued again" not in text_of(log)


def test_before_the_time_limit_the_study_stops_and_is_queued_again(scheduler, clone, tmp_path):
    log = tmp_path / "job.log"
    stopped = tmp_path / "stopped"
    command(
        scheduler,
        "kedro",
        f"#!/bin/bash\n[[ -f {stopped} ]] && {{ echo continued; exit; }}\n"
        f"trap 'touch {stopped}; exit 1' TERM\necho begun $*\nsleep 300 & wait\n",
    )
    job = submit(clone, log, "--env", "ecco")
    wait_until(lambda: "begun run --env ecco" in text_of(log), timeout=60)
    subprocess.run(["scancel", "--signal=USR1", "--batch", job], check=True)
    # SLURM itself waits two minutes before it starts a job that was queued again
    wait_until(lambda: "continued" in text_of(log), timeout=240)
    assert stopped.is_file()
    assert text_of(log).index("queued again") < text_of(log).index("continued")


def test_scancel_ends_the_study_for_good(scheduler, clone, tmp_path):
    log, script = tmp_path / "job.log", tmp_path / "script"
    command(
        scheduler,
        "kedro",
        f"#!/bin/bash\ntrap 'echo stopped; exit 1' TERM\necho $PPID >{script}.part; mv {script}.part {script}\n"
        "sleep 300 & wait\n",
    )
    job = submit(clone, log)
    wait_until(script.is_file, timeout=60)
    shell = Path("/proc") / script.read_text().strip()
    subprocess.run(["scancel", job], check=True)
    wait_until(lambda: not shell.exists(), timeout=60)
    assert "stopped" in text_of(log) and "queued again" not in text_of(log)


def test_the_environment_that_make_installs_is_used(scheduler, clone, tmp_path):
    log = tmp_path / "job.log"
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "activate").write_text('PATH="$PWD/.venv/bin:$PATH"\n')
    command(clone / ".venv" / "bin", "kedro", "#!/bin/bash\necho kedro of .venv: $*\n")
    submit(clone, log, "--env", "ecco")
    wait_until(lambda: "kedro of .venv: run --env ecco" in text_of(log), timeout=60)


def test_modules_and_conda_are_loaded(scheduler, clone, tmp_path, monkeypatch):
    log = tmp_path / "job.log"
    command(scheduler, "kedro", "#!/bin/bash\necho environment: $LOADED $CONDA\n")
    definitions = tmp_path / "definitions.sh"  # modules and conda are functions of the shell
    definitions.write_text(
        'module() { [[ $1 != load ]] || export LOADED="${*:2}"; }\n'
        'conda() { if [[ $1 == activate ]]; then export CONDA="$2"; else echo "UNSET=\\$undefined"; fi; }\n'
    )
    monkeypatch.setenv("BASH_ENV", str(definitions))
    monkeypatch.setenv("THOR_MODULES", "python/3.11 gcc")
    monkeypatch.setenv("THOR_CONDA_ENV", "thor")
    submit(clone, log)
    wait_until(lambda: "environment: python/3.11 gcc thor" in text_of(log), timeout=60)


def test_workers_are_jobs_that_end_with_the_study(scheduler, clone, tmp_path, monkeypatch):
    log, place = tmp_path / "job.log", tmp_path / "place"
    command(
        scheduler,
        "kedro",
        f"#!{sys.executable}\nimport os\nfrom pathlib import Path\nfrom distributed import Client\n"
        "client = Client(os.environ['DASK_SCHEDULER_ADDRESS'])\n"
        "print('computed', client.submit(sum, [1, 2]).result(timeout=120), flush=True)\n"
        f"Path({str(place)!r}).write_text(str(client.submit(os.getpid).result()))\n",
    )
    monkeypatch.setenv("THOR_WORKER_JOBS", "1")
    monkeypatch.setenv("THOR_WORKER_OPTIONS", "--cores 1 --memory 1GB --walltime 00:10:00")
    submit(clone, log)
    wait_until(lambda: "computed 3" in text_of(log) and place.is_file(), timeout=180)
    worker = int(place.read_text())
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), timeout=60)


def test_a_study_whose_workers_slurm_refuses_fails_at_once(scheduler, clone, tmp_path, monkeypatch):
    log = tmp_path / "job.log"
    command(scheduler, "kedro", "#!/bin/bash\necho a run without workers\n")
    monkeypatch.setenv("THOR_WORKER_JOBS", "1")
    monkeypatch.setenv("THOR_WORKER_OPTIONS", "--cores 1 --memory 1GB --queue nowhere")
    submit(clone, log)
    wait_until(lambda: "kill: (" in text_of(log) or "a run" in text_of(log), timeout=120)
    assert "SLURM refuses the jobs of the workers; change THOR_WORKER_OPTIONS." in text_of(log)
    assert "nvalid partition" in text_of(log) and "a run without workers" not in text_of(log)


def test_the_line_for_a_jupyterhub_makes_a_kernel_with_thor(tmp_path):
    page = (REPOSITORY / "docs" / "howto_cluster.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^python -m ipykernel install .*$", page, flags=re.M)
    words = line.replace("--user", f"--prefix {tmp_path}").split()
    subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True)
    (kernel,) = tmp_path.rglob("kernel.json")
    spec = json.loads(kernel.read_text())
    assert spec["display_name"] == "THOR" and spec["env"] == {"OMP_NUM_THREADS": "1"}
    assert spec["argv"][0] == sys.executable
