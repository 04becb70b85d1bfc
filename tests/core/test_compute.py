"""Blocks of work on threads, on processes and on a real Dask cluster: the same result whichever process dies."""

import json
import logging
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import dask
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tests.attribution.conftest import make_stack
from tests.waiting import wait_until
from thor.core.compute import Compute, mapper
from thor.core.errors import ConfigError, DataError, ThorError
from thor.networks.stack import logits

ROOT = Path(__file__).parents[2]
PARTS = [slice(start, start + 50) for start in range(0, 1200, 50)]
INPUTS = np.random.default_rng(1).normal(size=(1200, 8)).astype(np.float32)


def outputs(shared, part):
    stack, inputs = shared
    return logits(stack, inputs[part])


def slowly(shared, part):
    folder, seconds = shared
    time.sleep(seconds)
    (Path(folder) / f"{part:03d}_{time.monotonic_ns()}").touch()
    return part, os.getpid()


def blas_threads(shared, part):
    np.ones((4, 4)) @ np.ones((4, 4))
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def hungry(shared, part):
    kept = []
    while part == 1 and len(kept) < 200:
        kept.append(np.ones(1_000_000))
        time.sleep(0.005)
    return part


def refusing(shared, part):
    if part == 2:
        raise DataError("The cells of part 2 lie on land.")
    return part


def full(shared, part):
    raise MemoryError("Unable to allocate 3 TiB")


class Cluster:
    """A scheduler and workers as separate processes on the loopback interface."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        self.start("scheduler", "--port", "0", "--scheduler-file", str(folder / "scheduler.json"))
        self.address = wait_until(self._address)

    def _address(self):
        try:
            return json.loads((self.folder / "scheduler.json").read_text())["address"]
        except (FileNotFoundError, ValueError):
            return None

    def start(self, kind, *arguments, path=ROOT):
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        environment = os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        with (self.folder / f"{kind}_{len(self.processes)}.log").open("w") as log:
            place = ("--host", "127.0.0.1", "--no-dashboard")
            process = subprocess.Popen([*command, *place], cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def worker(self, **options):
        """Start a worker of one thread that is not restarted."""
        arguments = (self.address, "--nthreads", "1", "--no-nanny", "--local-directory", "scratch")
        return self.start("worker", *arguments, **options)

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    started = Cluster(tmp_path)
    yield started
    started.close()


def run(settings, function, shared, parts):
    with mapper(settings) as apply:
        return list(apply(function, shared, parts, description="test"))


def n_workers_of(address):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return len(client.nthreads())


def n_tasks_of(address):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


def test_threads_processes_and_a_cluster_give_the_same_bits_in_order(cluster):
    cluster.worker(), cluster.worker()
    shared = (make_stack(n_networks=20, sizes=(8, 24, 24, 6), classes=tuple("ABCDEF")), INPUTS)
    expected = [outputs(shared, part) for part in PARTS]
    for settings in (
        Compute(n_workers=1),
        Compute(n_workers=3),
        Compute(scheduler="local", n_workers=2, memory_limit="1 GB"),
        Compute(scheduler=cluster.address),
    ):
        with mapper(settings) as apply:
            for got, wanted in zip(apply(outputs, shared, PARTS, description="logits"), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)
            assert list(apply(outputs, shared, [], description="nothing")) == []
            assert all(set(counts) == {1} for counts in apply(blas_threads, None, [0, 1], description="BLAS"))


def test_a_killed_worker_does_not_change_the_result(cluster, tmp_path):
    cluster.worker(), cluster.worker()
    wait_until(lambda: n_workers_of(cluster.address) == 2)
    done = tmp_path / "done"
    done.mkdir()
    victim, survivor = cluster.processes[1].pid, cluster.processes[2].pid
    results, killed_at = [], None
    with mapper(Compute(scheduler=cluster.address)) as apply:
        for result in apply(slowly, (str(done), 0.03), range(80), description="test"):
            results.append(result)
            if killed_at is None and len(results) >= 10 and {worker for _, worker in results} == {victim, survivor}:
                os.kill(victim, signal.SIGKILL)
                killed_at = len(results)
    assert [part for part, _ in results] == list(range(80))
    ahead = 2 * 3
    assert killed_at < 80 - ahead
    assert {worker for _, worker in results[killed_at + ahead :]} == {survivor}
    ran = [int(path.name[:3]) for path in done.iterdir()]
    assert set(ran) == set(range(80))
    # only finished work that the dead worker had not yet returned is repeated
    assert len(ran) <= 80 + ahead


def test_work_continues_when_all_workers_die_and_another_starts(cluster, tmp_path):
    first = cluster.worker()
    results = []
    with mapper(Compute(scheduler=cluster.address)) as apply:
        for result in apply(slowly, (str(tmp_path), 0.02), range(12), description="test"):
            results.append(result)
            if len(results) == 3:
                first.kill()
                second = cluster.worker()
    assert [part for part, _ in results] == list(range(12))
    assert {worker for _, worker in results} == {first.pid, second.pid}


def test_few_parts_are_submitted_ahead(cluster, tmp_path):
    cluster.worker()
    wait_until(lambda: n_workers_of(cluster.address) == 1)
    done = tmp_path / "done"
    done.mkdir()
    with mapper(Compute(scheduler=cluster.address)) as apply:
        results = apply(slowly, (str(done), 0.0), range(100), description="test")
        assert next(results)[0] == 0
        wait_until(lambda: len(list(done.iterdir())) == 3)
        assert n_tasks_of(cluster.address) == 3
        results.close()
        assert [part for part, _ in apply(slowly, (str(done), 0.0), [7], description="again")] == [7]


def test_a_scheduler_that_dies_is_named(cluster, tmp_path):
    cluster.worker()
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        mapper(Compute(scheduler=cluster.address, timeout_s=1)) as apply,
    ):
        results = apply(slowly, (str(tmp_path), 0.2), range(12), description="test")
        next(results), next(results)
        cluster.processes[0].kill()
        with pytest.raises(ThorError, match=rf"test, block \d+ of 12: the scheduler {cluster.address} was lost.*again"):
            list(results)


def test_a_block_too_large_for_its_worker_is_named_with_the_limit():
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        pytest.raises(ConfigError, match=r"test, block 1 of 3: 1 workers died.*limit of a worker: 429.15 MiB.*smaller"),
    ):
        # The hungry block comes first: finished work that a worker has not yet returned is lost with it.
        run(Compute(scheduler="local", n_workers=1, memory_limit="450 MB"), hungry, None, [1, 2, 3])


def test_errors_of_the_work_are_raised_unchanged():
    for settings in (Compute(), Compute(scheduler="local", n_workers=1)):
        with pytest.raises(DataError, match="part 2 lie on land"):
            run(settings, refusing, None, range(4))
    with pytest.raises(ConfigError, match="block 1 of 1: its worker has not enough memory .Unable to allocate 3 TiB"):
        run(Compute(scheduler="local", n_workers=1), full, None, [0])


def test_an_address_without_an_answer_is_named_in_time():
    import distributed  # noqa: F401 (takes seconds on a busy machine)

    start = time.monotonic()
    with pytest.raises(
        ConfigError, match="No Dask scheduler answers at tcp://127.0.0.1:9 within 0.5 s.*DASK_SCHEDULER"
    ):
        run(Compute(scheduler="tcp://127.0.0.1:9", timeout_s=0.5), outputs, None, PARTS)
    assert time.monotonic() - start < 20  # by default 30


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["nothing", "http"])
def test_a_server_of_another_kind_is_no_scheduler(reply):
    class Other(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(reply)
            while self.request.recv(10_000):  # until the client gives up
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(ConfigError, match=re.escape(address) + ".*not that of its dashboard"):
            run(Compute(scheduler=address, timeout_s=0.5), outputs, None, PARTS)
        server.shutdown()


def test_workers_with_other_code_are_reported_in_one_line(cluster, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING, "thor"), mapper(Compute(scheduler=cluster.address)):
        assert "has no workers yet" in caplog.text
    cluster.worker()
    wait_until(lambda: n_workers_of(cluster.address) == 1)
    monkeypatch.setattr("thor.core.cluster.code_version", lambda: "0123456789")
    caplog.clear()
    with (
        warnings.catch_warnings(),
        caplog.at_level(logging.WARNING, "thor"),
        mapper(Compute(scheduler=cluster.address)),
    ):
        warnings.simplefilter("error")
    (record,) = caplog.records
    assert re.search(r"1 of 1 workers have THOR code \w{8}, here is 01234567; results may differ", record.message)


def test_workers_without_thor_are_reported(cluster, tmp_path):
    (tmp_path / "other" / "thor").mkdir(parents=True)
    (tmp_path / "other" / "thor" / "__init__.py").touch()
    cluster.worker(path=tmp_path / "other")
    wait_until(lambda: n_workers_of(cluster.address) == 1)
    with pytest.raises(ConfigError, match=r"cannot run THOR.*No module named 'thor.core.*same environment"):
        run(Compute(scheduler=cluster.address), refusing, None, [0])


def test_invalid_settings_are_refused():
    for wrong, message in (
        ({"scheduler": "thread"}, "Did you mean 'threads'.*tcp://host:8786"),
        ({"n_workers": 0}, "'n_workers' must be a whole number >= 1"),
        ({"memory_limit": "much"}, "'memory_limit' must be a size such as '4 GB', at least 100 MB; got 'much'"),
        ({"memory_limit": "-4 GB"}, "'memory_limit' must be a size .* got '-4 GB'"),
        ({"memory_limit": "4"}, "'memory_limit' must be a size .* got '4'"),
        ({"timeout_s": 0}, "'timeout_s' must be a number > 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            Compute(**wrong)
