"""How much memory a dataset of COCO's format takes, for 20,000 and for 200,000 annotations.

    python tools/measure_data_memory.py

Makes the files in a temporary folder (10 annotations with an outline on each image; the images are
links to one file) and opens each in a process of its own. Prints one JSON object for each: how much
memory of its own the process grew by, at most while it read and after; how much was resident at
most; what the dataset is as a pickle, and how long it took. For comparison the last one reads with
`json.load`.

Memory of its own (`RssAnon`) is what nothing but the process's end gives back, looked at a thousand
times a second. Pages of files, such as the columns of a dataset, are resident too, but the kernel
takes them where memory is wanted. Linux only.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image

SIZES = (20_000, 200_000)
PER_IMAGE = 10


def write_dataset(folder: Path, annotations: int) -> None:
    rng = random.Random(0)
    images = folder / "val2017"
    images.mkdir(parents=True)
    (folder / "annotations").mkdir()
    first = images / "first.jpg"
    Image.new("RGB", (640, 480)).save(first)
    count = annotations // PER_IMAGE
    with (folder / "annotations" / "instances_val2017.json").open("w") as file:
        file.write('{"annotations": [')
        for i in range(annotations):
            x, y, w, h = (round(rng.uniform(1, 200), 2) for _ in range(4))
            outline = [[round(rng.uniform(x, x + w), 2) for _ in range(40)]]
            entry: dict[str, object] = {
                "id": i + 1,
                "image_id": rng.randrange(count) + 1,
                "iscrowd": 0,
                "area": w * h,
            }
            entry |= {"category_id": rng.randrange(80) + 1, "bbox": [x, y, w, h]}
            file.write(("," if i else "") + json.dumps(entry | {"segmentation": outline}))
        file.write('], "images": [')
        for i in range(count):
            os.link(first, images / f"{i:012}.jpg")
            entry = {"id": i + 1, "file_name": f"{i:012}.jpg", "width": 640, "height": 480}
            file.write(("," if i else "") + json.dumps(entry))
        categories = [{"id": i + 1, "name": f"class {i}"} for i in range(80)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def own() -> int:
    """Bytes of memory of this process that no file holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status says no RssAnon")


class Watched:
    """How large `own` is at most, meanwhile."""

    def __enter__(self) -> Watched:
        self.most, self._ended = own(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.001):
            self.most = max(self.most, own())

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def resident_at_most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(folder: Path, how: str) -> None:
    from archgraph.train.data import open_dataset

    file = folder / "annotations" / "instances_val2017.json"
    before, resident, start = own(), resident_at_most(), time.perf_counter()
    with Watched() as watched:
        if how == "json.load":
            opened: object = json.loads(file.read_bytes())
        else:
            opened = open_dataset(f"coco:{folder}")
    seconds, after = time.perf_counter() - start, own()
    grown = {
        "peak_growth_megabytes": watched.most - before,
        "kept_megabytes": after - before,
        "resident_peak_growth_megabytes": resident_at_most() - resident,
    }
    found = {
        "how": how,
        "file_megabytes": round(file.stat().st_size / 1e6, 1),
        **{name: round(size / 1e6, 1) for name, size in grown.items()},
        "pickle_megabytes": round(len(pickle.dumps(opened)) / 1e6, 2),
        "seconds": round(seconds, 1),
    }
    print(json.dumps(found))


def main() -> None:
    if len(sys.argv) == 3:
        measure(Path(sys.argv[1]), sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as name:
        for annotations in SIZES:
            write_dataset(Path(name) / str(annotations), annotations)
        runs = [(annotations, "open_dataset") for annotations in SIZES]
        for annotations, how in [*runs, (SIZES[-1], "json.load")]:
            folder = Path(name) / str(annotations)
            command = [sys.executable, __file__, str(folder), how]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
            print(f"{annotations:,} annotations: ", end="", flush=True)
            subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()
