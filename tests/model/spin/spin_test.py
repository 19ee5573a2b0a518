"""Runs Spin over ring.pml: the protocol holds, and each of its undone parts is found.

    spin_test.py ring.pml WORK_FOLDER

Exit code 77: spin is not installed.
"""

import pathlib
import re
import shutil
import subprocess
import sys

SOUND = {
    "one producer": ["-DPRODUCERS=1", "-DRECORDS=6"],
    "two producers": ["-DPRODUCERS=2", "-DRECORDS=4"],
}
UNDONE = {
    "NO_BARRIER": "invalid end state",
    "LOOK_FIRST": "invalid end state",
    "WEAK_PUBLISH": "assertion violated",
    "RELEASE_FIRST": "invalid end state",
    "RELEASE_TWICE": "assertion violated",
}


def verify(model, folder, defines):
    """Returns (error or None, states) of every order of the model's steps."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["spin", "-a", *defines, str(model)], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cc", "-O2", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=2048", "-o", "pan", "pan.c"],
                   cwd=folder, check=True)
    said = subprocess.run(["./pan", "-m1000000"], cwd=folder, check=True, text=True,
                          capture_output=True).stdout
    states = int(re.search(r"(\d+) states, stored", said)[1])
    whole = "Search not completed" not in said and "max search depth too small" not in said
    errors = int(re.search(r"errors: (\d+)", said)[1])
    if not errors:
        return (None if whole else "the search was not completed"), states
    return re.search(r"pan:\d+: (.*)", said)[1], states


def main():
    model, work = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    if shutil.which("spin") is None:
        print("spin is not installed: tools/dev setup")
        return 77
    failed = False
    for name, defines in SOUND.items():
        error, states = verify(model, work / name.replace(" ", "_"), defines)
        print(f"{name}: {states:,} states, {error or 'no error'}")
        failed = failed or error is not None
    for name, wanted in UNDONE.items():
        error, states = verify(model, work / name, ["-DPRODUCERS=1", f"-D{name}"])
        print(f"{name}: {states:,} states, {error or 'no error'}")
        failed = failed or error is None or wanted not in error
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
