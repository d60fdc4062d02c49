"""CPU time of one peer: a process of its own, with its children, in its steady state."""

import importlib
import importlib.metadata
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from frames import Frames
from settings import Drain, Settings


@dataclass(frozen=True)
class Measured:
    """What one run took, or why there was none."""

    samples: int = 0
    cpu_secs: float = 0.0
    wall_secs: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    missing: str = ""


def cpu_secs() -> float:
    """User and system time of this process, of its living children and of those it waited for."""
    ended = os.times()
    total = time.process_time() + ended.children_user + ended.children_system
    for child in psutil.Process().children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


def steady(drain: Drain, settings: Settings, secs: float) -> tuple[int, float, float]:
    """Samples, CPU seconds and wall seconds of about `secs` seconds, start-up left out."""
    # One batch for every worker: processes start, code is compiled, files enter the page cache.
    warm_up = settings.batch * settings.workers
    drain(warm_up)
    rest()
    begun, cpu_before = time.perf_counter(), cpu_secs()
    samples = drain(warm_up)
    elapsed = time.perf_counter() - begun
    if elapsed < secs:
        rounds = int((secs - elapsed) / elapsed * samples / warm_up) + 1
        samples += drain(rounds * warm_up)
        elapsed = time.perf_counter() - begun
    rest()
    return samples, cpu_secs() - cpu_before, elapsed


def rest() -> None:
    """Lets queues fill up, so that as much is made ahead at the end as was at the beginning."""
    time.sleep(0.5)


def main() -> None:
    """Called by `peers.py`: the module's name, `pack` or `run`, folders, settings as JSON."""
    name, task, frames, folder, options = sys.argv[1:]
    asked = json.loads(options)
    try:
        module = importlib.import_module(name)
        source = Frames(Path(frames))
        versions = {package: importlib.metadata.version(package) for package in module.PACKAGES}
        if task == "pack":
            module.pack(source, Path(folder))
            result = Measured(versions=versions)
        else:
            settings = Settings(**asked["settings"])
            drain = module.start(source, Path(folder), settings, **asked["variant"])
            result = Measured(*steady(drain, settings, asked["secs"]), versions)
    except ImportError as error:
        result = Measured(missing=str(error))
    Path(asked["result"]).write_text(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
