#!/usr/bin/env python3
"""Runs the loader and its peers in turn on the same frames and prints the ratios of their CPU time.

`README.md` beside this file says what is measured and how to run it.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import frames
from frames import Frames
from measure import Measured
from settings import Settings

HERE = Path(__file__).resolve().parent
RELEASE = HERE.parent.parent / "target" / "release"


@dataclass(frozen=True)
class Peer:
    """One line of the table. Peers of one module share what it packs."""

    name: str
    title: str
    module: str
    variant: dict[str, object] = field(default_factory=dict)


PEERS = (
    Peer("pillow", "Pillow + torchvision + scikit-image, PNG", "peer_pillow"),
    Peer("pillow-colours", "the same, labels as colours (GTAV)", "peer_pillow", {"colours": True}),
    Peer("opencv", "OpenCV + albumentations, PNG", "peer_opencv"),
    Peer("opencv-jpeg", "OpenCV + albumentations, JPEG", "peer_opencv", {"image_format": "jpg"}),
    Peer("memmap", "raw NumPy memmap + OpenCV", "peer_memmap"),
    Peer("ffcv", "FFCV raw + OpenCV", "peer_ffcv"),
    Peer("mosaic", "MosaicML Streaming, PNG + OpenCV", "peer_mosaic"),
    Peer("webdataset", "WebDataset, PNG + OpenCV", "peer_webdataset"),
    Peer("litdata", "LitData, PNG + OpenCV", "peer_litdata"),
    Peer("dali", "DALI on the CPU, PNG", "peer_dali"),
    Peer("dali-jpeg", "DALI on the CPU, JPEG", "peer_dali", {"image_format": "jpg"}),
)

# Without these glibc gives large arrays back after every sample and Linux clears their pages anew.
KEEP_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}

# Of one packing or run of a peer.
LIMIT_SECS = 600


@dataclass(frozen=True)
class Ours:
    """One line of our loader."""

    title: str
    mode: str
    # The folder of `--work` that holds the shards, and how they are packed.
    shards: str
    preset: tuple[str, ...] = ()


OURS = {
    "fast": Ours("pinmem, `fast`", "fast", "shards"),
    "reference": Ours("pinmem, `reference`", "reference", "shards"),
    "raw": Ours("pinmem, `fast`, packed with `--raw`", "fast", "shards-raw", ("--raw",)),
}


@dataclass(frozen=True)
class Workplace:
    """Where everything lies, and the task."""

    folder: Path
    source: Frames
    settings: Settings
    secs: float
    shard: Path
    loader_bench: Path

    def child(self, peer: Peer, task: str) -> Measured:
        """Runs one task of a peer in a process of its own."""
        packed = self.folder / peer.module
        with tempfile.TemporaryDirectory() as temporary:
            result = Path(temporary) / "result.json"
            asked = {
                "settings": asdict(self.settings),
                "variant": peer.variant,
                "secs": self.secs,
                "result": str(result),
            }
            arguments = [peer.module, task, str(self.source.folder), str(packed), json.dumps(asked)]
            command = [sys.executable, str(HERE / "measure.py"), *arguments]
            child = subprocess.Popen(
                command,
                env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            try:
                output, _ = child.communicate(timeout=LIMIT_SECS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
                output = f"no end after {LIMIT_SECS} s"
            if not result.exists():
                lines = output.strip().splitlines() or [f"exit code {child.returncode}"]
                return Measured(missing=f"failed: {lines[-1]}")
            return Measured(**json.loads(result.read_text()))

    def ours(self, our: Ours) -> Measured:
        """One run of `loader_bench`."""
        # About 10 CPU milliseconds each, and a run measures twice: with one worker, and with all.
        samples = max(40, int(self.secs / 0.02))
        settings = self.settings
        options = f"--json --mode {our.mode} --filter {settings.filter} --crop {settings.crop}"
        options += f" --workers {settings.workers} --samples {samples} --seed {settings.seed}"
        command = [self.loader_bench, self.folder / our.shards, *options.split()]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        run = report["scaling"][0]
        return Measured(
            samples=run["samples"],
            cpu_secs=run["cpu_ms_per_sample"] * run["samples"] * 1e-3,
            wall_secs=run["samples"] / run["samples_per_sec"],
        )

    def pack(self, peers: list[Peer]) -> dict[str, Measured]:
        """Packs the frames for every peer and for us, once; returns the modules that failed."""
        failed = {}
        for our in OURS.values():
            shards = self.folder / our.shards
            if (shards / "index.json").exists():
                continue
            tell(f"packing {our.shards}")
            frames_folder = self.source.folder
            command = [self.shard, "pack", "--manifest", frames_folder / "manifest.toml"]
            command += ["--root", frames_folder, "--split", "all", "--out", shards, *our.preset]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for peer in {peer.module: peer for peer in peers}.values():
            packed = self.folder / peer.module
            if (packed / "done").exists():
                continue
            tell(f"packing for {peer.name}")
            shutil.rmtree(packed, ignore_errors=True)
            packed.mkdir(parents=True)
            result = self.child(peer, "pack")
            if result.missing:
                failed[peer.module] = result
            else:
                (packed / "done").touch()
        return failed


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_rounds(place: Workplace, peers: list[Peer], rounds: int) -> dict[str, list[Measured]]:
    """Everything once a round, each round beginning at another place of the list."""
    results: dict[str, list[Measured]] = {name: [] for name in OURS}
    failed = place.pack(peers)
    for peer in peers:
        results[peer.name] = [failed[peer.module]] if peer.module in failed else []
    tasks = [(name, None) for name in OURS] + [(peer.name, peer) for peer in peers]
    for number in range(rounds):
        first = number * len(tasks) // rounds
        for name, peer in tasks[first:] + tasks[:first]:
            if results[name] and results[name][-1].missing:
                tell(f"round {number + 1}: {name}: {results[name][-1].missing}")
                continue
            result = place.ours(OURS[name]) if peer is None else place.child(peer, "run")
            results[name].append(result)
            told = result.missing or f"{ms(result):.1f} CPU ms per sample, {result.samples} samples"
            tell(f"round {number + 1}: {name}: {told}")
    return results


def ms(result: Measured) -> float:
    return result.cpu_secs / result.samples * 1e3


def spread(values: list[float], digits: int) -> str:
    """Median, least and greatest."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def table(peers: list[Peer], results: dict[str, list[Measured]]) -> str:
    """Ratios are taken within each round."""
    lines = [
        "| pipeline | CPU ms per sample | "
        + "".join(f"ratio to `{name}` | " for name in OURS)
        + "samples/s |",
        "|---|---|" + "---|" * len(OURS) + "---|",
    ]
    titles = {name: our.title for name, our in OURS.items()}
    titles |= {peer.name: peer.title for peer in peers}
    for name, title in titles.items():
        measured = results[name]
        if measured[-1].missing:
            lines.append(f"| {title} | missing: {measured[-1].missing} |" + " |" * (len(OURS) + 1))
            continue
        ratios = [
            spread(
                [ms(peer) / ms(our) for peer, our in zip(measured, results[ours], strict=True)], 1
            )
            for ours in OURS
        ]
        rate = statistics.median(result.samples / result.wall_secs for result in measured)
        times = spread([ms(result) for result in measured], 1)
        lines.append(f"| {title} | {times} | {' | '.join(ratios)} | {rate:.1f} |")
    return "\n".join(lines)


def report(place: Workplace, peers: list[Peer], results: dict[str, list[Measured]]) -> str:
    """What was measured on what, and the table, as Markdown."""
    settings = place.settings
    width, height = place.source.size()
    versions = {}
    for measured in results.values():
        versions |= measured[-1].versions
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    lines = [
        f"Date: {datetime.date.today()}.",
        f"Machine: {os.cpu_count()} cores, {processor()}, {platform.system()} {platform.release()};"
        f" load average at the end {load}.",
        f"Command: `{shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`",
        f"Frames: {len(place.source.stems)} of {width}x{height}. Crop {settings.crop}, batch"
        f" {settings.batch}, {settings.workers} workers, {settings.filter}.",
        f"Versions: Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        + ".",
        "Median, least and greatest of the rounds; ratios are taken within a round.",
    ]
    return "\n".join(lines) + "\n\n" + table(peers, results)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    names = [
        line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")
    ]
    return names[0] if names else platform.machine()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True, help="glob of RGB images, all of one size")
    parser.add_argument(
        "--labels", required=True, help="glob of 8-bit label PNGs, in the same order"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for frames and packed data"
    )
    parser.add_argument("--peers", default="all", help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=4.0, help="measured seconds of a run, about")
    parser.add_argument("--stored", type=int, default=32, help="number of frames")
    parser.add_argument("--crop", type=int, default=Settings.crop)
    parser.add_argument("--workers", type=int, default=Settings.workers)
    parser.add_argument("--filter", choices=["bilinear", "bicubic"], default=Settings.filter)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--keep-heap", action="store_true", help="glibc returns no memory to Linux")
    parser.add_argument("--shard", type=Path, default=RELEASE / "shard")
    parser.add_argument("--loader-bench", type=Path, default=RELEASE / "loader_bench")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    known = {peer.name: peer for peer in PEERS}
    names = list(known) if arguments.peers == "all" else arguments.peers.split(",")
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"unknown peers {', '.join(unknown)}; there are {', '.join(known)}")
    peers = [known[name] for name in names]
    folder = arguments.work / "frames"
    if arguments.keep_heap:
        os.environ |= KEEP_HEAP
    place = Workplace(
        folder=arguments.work,
        source=frames.build(arguments.images, arguments.labels, folder, arguments.stored),
        settings=Settings(
            crop=arguments.crop,
            workers=arguments.workers,
            filter=arguments.filter,
            seed=arguments.seed,
        ),
        secs=arguments.secs,
        shard=arguments.shard,
        loader_bench=arguments.loader_bench,
    )
    print(report(place, peers, run_rounds(place, peers, arguments.rounds)))


if __name__ == "__main__":
    main()
