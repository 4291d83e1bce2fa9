"""What a kernel holds in private memory before a lesson of Part 1 asks for torch.

Twenty learners may share one machine, and each has a kernel. It has run the lesson's
import cell here, and the NumPy BERT on one sentence.
"""

import json
import time
from pathlib import Path

import psutil
from jupyter_client.manager import start_new_kernel
from measure import Row

COURSE = Path(__file__).resolve().parents[2]
LESSONS = sorted((COURSE / "notebooks" / "1_attention").glob("1[1-5]_*.ipynb"))
GOAL = 60  # MB more than a kernel with NumPy
USE_BERT = """
import sys
import numpy
from course_lib.attention import NumpyBert
NumpyBert.from_pretrained("minilm")(numpy.full((1, 16), 2143))
assert "torch" not in sys.modules
"""


def rows():
    """Yield one figure for each lesson."""
    bare = kernel_after(["import numpy"])
    for path in LESSONS:
        lesson = kernel_after([import_cell(path), USE_BERT])
        extra = lesson["megabytes"] - bare["megabytes"]
        met = "met" if extra <= GOAL else "missed"
        ratio = lesson["seconds"] / bare["seconds"]
        yield Row(
            what=f"lesson {path.name[:2]} before it asks for torch",
            size="imports, NumpyBert",
            ours=lesson["seconds"],
            peer=bare["seconds"],
            peer_name="kernel with NumPy",
            low=ratio,
            high=ratio,
            verdict=f"memory {extra:+.0f} MB; goal +{GOAL} MB: {met}",
        )


def import_cell(path):
    """Return the lesson's first code cell."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return next("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def kernel_after(cells):
    """Run cells in a new kernel; return its private memory in MB, and the seconds."""
    manager, client = start_new_kernel(cwd=str(LESSONS[0].parent))
    try:
        start = time.perf_counter()
        for cell in cells:
            reply = client.execute(cell, reply=True, timeout=300)
            assert reply["content"]["status"] == "ok", reply["content"]
        seconds = time.perf_counter() - start
        memory = psutil.Process(manager.provisioner.pid).memory_full_info().uss
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return {"megabytes": memory / 2**20, "seconds": seconds}
