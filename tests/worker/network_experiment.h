#pragma once
// A small experiment with networks, and a machine that has a "GPU": the CPU under another name.

#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "experiment/config.h"
#include "worker/engine_runner.h"
#include "worker/translate.h"

namespace seldon::worker::test {

/// Model 0 is a Seldonian network, 1 a baseline of the same, 2 a linear model, 3 tosses coins.
class NetworkExperiment {
 public:
  explicit NetworkExperiment(const std::string& name = "network")
      : path_(testing::TempDir() + "/" + name + std::to_string(getpid()) + ".toml") {
    const std::string table = path_ + ".csv";
    std::ofstream csv(table);
    csv << "age,sex,x,y\n";
    for (int i = 0; i < 120; ++i)
      csv << 20 + i % 50 << ',' << (i % 2 ? "f" : "m") << ',' << 0.1 * (i % 7) << ','
          << ((i * 7) % 11 < 4 + i % 3) << '\n';
    std::ofstream(path_) << R"([experiment]
name = "networks"
seed = 3
n_trials = 4
data_fracs = [0.5, 1.0]
[data]
label = "y"
numeric = ["age", "x"]
standardize = ["age"]
path = ")" << table << R"("
[[group]]
attribute = "sex"
name = "M"
where = "sex == m"
[[group]]
attribute = "sex"
name = "F"
where = "sex == f"
[[constraint]]
name = "parity"
expression = "abs((PR | [M]) - (PR | [F])) <= 0.9"
delta = 0.05
[[model]]
name = "net"
architecture = "mlp"
iterations = 30
batch_size = 20
[[model]]
name = "plain_net"
kind = "baseline"
architecture = "mlp"
iterations = 30
batch_size = 20
[[model]]
name = "line"
architecture = "logistic"
iterations = 30
[[model]]
name = "coin"
kind = "baseline"
architecture = "uniform_random"
)";
  }

  const std::string& path() const { return path_; }

  experiment::Description description(const std::vector<std::string>& set = {}) const {
    return experiment::load_config(path_, set);
  }
  std::unique_ptr<Workspace> workspace(const std::vector<std::string>& set = {}) const {
    experiment::Description read = description(set);
    table::Frame frame = load_table(read);
    return std::make_unique<Workspace>(std::move(read), std::move(frame),
                                       std::vector<std::vector<std::uint32_t>>{});
  }

 private:
  std::string path_;
};

/// Its GPU has the device "cpu", so that what runs on GPUs runs, tensor program included.
inline Machine machine_with_gpu() {
  Machine machine;
  machine.gpus = 1;
  machine.name = "Example GPU";
  machine.libraries = "example 1.0";
  machine.open = [](std::size_t) { return Gpu{"cpu", "Example GPU", 16e9}; };
  return machine;
}

inline Machine machine_without_gpu() {
  Machine machine;
  machine.why_none = "an example has none";
  return machine;
}

}  // namespace seldon::worker::test
