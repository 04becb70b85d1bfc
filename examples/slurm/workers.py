"""Start Dask workers as jobs of SLURM, and write the address of their scheduler to a file (needs dask-jobqueue).

    python examples/slurm/workers.py --jobs 4 --address-file FILE [--cores 16] [--memory 32GB] [--queue NAME]

Runs until it is ended; the jobs of the workers end with it. `study.sbatch` starts and ends it. From the login node,
give the address to DASK_SCHEDULER_ADDRESS.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from dask_jobqueue import SLURMCluster


def main() -> None:
    """Run the scheduler until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, required=True, help="jobs of workers")
    parser.add_argument("--address-file", type=Path, required=True, help="file for the address of the scheduler")
    parser.add_argument("--cores", type=int, default=16, help="cores of a job, each with a process of one thread")
    parser.add_argument("--memory", default="32GB", help="memory of a job, shared by its processes")
    parser.add_argument("--walltime", default="12:00:00")
    parser.add_argument("--queue", help="partition")
    parser.add_argument("--account")
    parser.add_argument("--interface", help="network between the nodes, such as ib0")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    with SLURMCluster(
        cores=options.cores,
        processes=options.cores,
        memory=options.memory,
        walltime=options.walltime,
        queue=options.queue,
        account=options.account,
        interface=options.interface,
        python=sys.executable,
        job_name="thor-worker",
        job_script_prologue=[f"cd {Path.cwd()}", "source examples/slurm/environment.sh"],
    ) as cluster:
        # Dask goes on without a job that SLURM refuses.
        script = cluster.job_script()
        tried = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True, check=False)
        if tried.returncode:
            reason = tried.stderr.strip()
            raise SystemExit(f"SLURM refuses the jobs of the workers; change THOR_WORKER_OPTIONS.\n{reason}")
        cluster.scale(jobs=options.jobs)
        unfinished = options.address_file.with_suffix(".part")
        unfinished.write_text(cluster.scheduler_address, encoding="utf-8")
        os.replace(unfinished, options.address_file)
        signal.pause()


def leave(number: int, frame: FrameType | None) -> None:
    """End the jobs of the workers."""
    raise SystemExit


if __name__ == "__main__":
    main()
