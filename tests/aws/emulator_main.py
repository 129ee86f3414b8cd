"""What the emulator's own Python runs: ministack, on a clock that the tests can put forward, until stdin is closed.

Arguments: a file that holds the seconds to add, as a double, and those of hypercorn.
"""

import mmap
import os
import runpy
import struct
import sys
import time
from pathlib import Path
from threading import Thread


def main() -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    with Path(sys.argv.pop(1)).open("rb") as file:
        ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real = time.time
    time.time = lambda: real() + float(struct.unpack("d", ahead)[0])
    runpy.run_module("hypercorn", run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    """Stdin ends when the tests close it, or however else their process ends."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
