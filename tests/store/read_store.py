"""Reads a store as docs/store.md tells its readers to, and prints what it found as `name value` lines.

usage: read_store.py read DOCUMENT      in the folder of store.h5
       read_store.py hold SIGNAL        keeps store.h5 open until the file SIGNAL exists, then looks again
"""

import hashlib
import os
import re
import struct
import sys
import time

import h5py
import numpy as np


def digest(path):
    """The SHA-256 of what docs/store.md promises."""
    sha = hashlib.sha256()
    with h5py.File(path) as store:
        fractions = store["data_fracs"][:]
        for name in sorted(store.attrs["models"], key=lambda text: text.encode()):
            model = store["models"][name]
            encoded = name.encode()
            sha.update(struct.pack("<Q", len(encoded)) + encoded)
            arrays = [model[array] for array in ("histogram", "trace", "parameters") if array in model]
            for i in np.argsort(fractions, kind="stable"):
                sha.update(struct.pack("<d", fractions[i]))
                for trial in range(store.attrs["n_trials"]):
                    state = int(model["state"][i, trial])
                    sha.update(struct.pack("<IB", trial, state))
                    if state == 2:
                        sha.update(model["cells"][i, trial].tobytes())
                        for array in arrays:
                            sha.update(array[i, trial].tobytes())
    return sha.hexdigest()


def read(document):
    code = re.search(r"```python\n(.*?)```", open(document, encoding="utf-8").read(), re.DOTALL).group(1)
    lines = [line for line in code.splitlines() if line.strip()]
    names = {}
    exec(compile(code, document, "exec"), names)  # noqa: S102
    cells, done = names["cells"], names["done"]
    print("lines", len(lines))
    print("shape", *cells.shape)
    print("members", *cells.dtype.names)
    print("done", int(done.sum()))
    print("not_recorded_are_nan", bool(np.isnan(cells["performance"][~done]).all()))
    print("performance", cells["performance"][1, 2, 0, 1].hex())
    with h5py.File("store.h5") as store:
        qsa = store["models/qsa"]
        print("subgroup", *qsa.attrs["subgroup"])
        print("axes", *qsa["cells"].attrs["axes of g"])
        print("axes_histogram", *qsa["histogram"].attrs["axes of histogram"])
        print("seed", store.attrs["seed"])
        print("config", store.attrs["config"].splitlines()[1])
        print("expression", store["constraints/disparate_impact"].attrs["expression"])
        print("fractions", *store["data_fracs"][:])
        print("pack", *store["packs"][4])
        print("host", qsa["runs"][1, 2]["host"].decode())
        print("attempt", qsa["runs"][1, 2]["attempt"])
    print("digest", digest("store.h5"))


def hold(signal):
    with h5py.File("store.h5") as store:
        print("ready", int((store["models/qsa/state"][:] == 2).sum()), flush=True)
        while not os.path.exists(signal):
            time.sleep(0.01)
    with h5py.File("store.h5") as store:
        print("after", int((store["models/qsa/state"][:] == 2).sum()))


{"read": read, "hold": hold}[sys.argv[1]](sys.argv[2])
