#!/usr/bin/env python3
"""The layering check must catch what it is for: each test builds a small tree with one breach."""

import tempfile
import unittest
from pathlib import Path

import check_includes


class LayeringCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.project = Path(folder.name)
        self.write("core/cell.h", "#include <vector>\n")

    def write(self, path, text):
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def assert_breach(self, place, words):
        breaches = check_includes.check_rooms(self.project)
        self.assertEqual(len(breaches), 1, breaches)
        self.assertTrue(breaches[0].startswith(place + ": "), breaches[0])
        self.assertIn(words, breaches[0])

    def test_a_clean_tree_passes(self):
        self.write("store/file.h", '#include "core/cell.h"\n#include <hdf5.h>\n#include <unistd.h>\n')
        self.write("worker/run.cpp", '#include "core/cell.h"\n')
        self.assertEqual(check_includes.check_rooms(self.project), [])

    def test_a_room_above(self):
        self.write("engine/model/logistic.h", "\n")
        self.write("core/record.cpp", '#include "core/cell.h"\n\n#include "engine/model/logistic.h"\n')
        self.assert_breach("core/record.cpp:3", "room core may not use room engine")

    def test_a_room_beside(self):
        self.write("store/store.h", "\n")
        self.write("orchestrator/queue.cpp", '  #  include "store/store.h"\n')
        self.assert_breach("orchestrator/queue.cpp:1", "room orchestrator may not use room store")

    def test_workers_know_groups_by_the_seam_alone(self):
        self.write("collective/groups.h", "\n")
        self.write("worker/run.cpp", '#include "collective/groups.h"\n')
        self.assert_breach("worker/run.cpp:1", "room worker may not use room collective")

    def test_each_forbidden_library(self):
        for place, header, library in [
            ("core/a.cpp", "hdf5.h", "HDF5"),
            ("table/a.cpp", "toml++/toml.h", "toml++"),
            ("engine/bound/a.cpp", "mpi.h", "MPI"),
            ("engine/bound/b.cpp", "fstream", "files"),
            ("engine/bound/c.cpp", "H5Dpublic.h", "HDF5"),
            ("experiment/a.h", "torch/types.h", "LibTorch"),
            ("store/a.cpp", "ATen/ATen.h", "LibTorch"),
            ("orchestrator/a.cpp", "mpi.h", "MPI"),
            ("orchestrator/b.cpp", "unistd.h", "system"),
            ("worker/a.cpp", "hdf5.h", "HDF5"),
            ("transport/a.cpp", "c10/core/Device.h", "LibTorch"),
            ("transport/b.cpp", "nccl.h", "NCCL"),
            ("collective/a.cpp", "ATen/core/Tensor.h", "LibTorch"),
            ("worker/b.cpp", "nccl.h", "NCCL"),
            ("analysis/a.cpp", "torch/torch.h", "LibTorch"),
            ("analysis/b.cpp", "mpi.h", "MPI"),
        ]:
            with self.subTest(place=place):
                self.write(place, f"#include <{header}>\n")
                self.assert_breach(f"{place}:1", f"may not use {library}")
                (self.project / place).unlink()

    def test_messages_in_the_transport(self):
        self.write("core/messages.h", "\n")
        self.write("transport/mpi.cpp", '#include "core/messages.h"\n')
        self.assert_breach("transport/mpi.cpp:1", "knows no message")

    def test_an_unknown_library(self):
        self.write("table/a.cpp", "#include <Eigen/Dense>\n")
        self.assert_breach("table/a.cpp:1", "no library of")

    def test_a_header_that_is_not_there(self):
        self.write("table/a.cpp", '#include "core/gone.h"\n')
        self.assert_breach("table/a.cpp:1", "does not exist")

    def test_a_folder_that_is_no_room(self):
        self.write("utils/misc.cpp", "\n")
        self.assert_breach("utils/misc.cpp:1", "is no room")

    def test_programs_may_use_anything(self):
        self.write("programs/main.cpp", "#include <mpi.h>\n#include <hdf5.h>\n#include <torch/types.h>\n")
        self.assertEqual(check_includes.check_rooms(self.project), [])

    def test_a_dozen_units_may_include_the_big_header(self):
        self.write("engine/network.h", "#include <torch/torch.h>\n")
        for number in range(check_includes.BIG_HEADER_UNITS):
            self.write(f"engine/unit{number}.cpp", '#include "engine/network.h"\n')
        self.assertEqual(check_includes.check_big_header(self.project), [])
        self.write("tests/engine/test_one_more.cpp", "#include <torch/torch.h>\n")
        self.assertEqual(len(check_includes.check_big_header(self.project)), check_includes.BIG_HEADER_UNITS + 1)


if __name__ == "__main__":
    unittest.main()
