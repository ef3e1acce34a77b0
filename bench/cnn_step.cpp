// One training iteration of the face CNN (batch 237 of 48 x 48 pixels), one thread: the engine's learner
// against a plain LibTorch step of the same network with the same allocator settings, channels-last order and
// maximum before rectifier. The two alternate in one run; medians. Usage: bench_cnn [iterations [width]]

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <torch/nn.h>
#include <torch/optim/adam.h>

#include "core/random.h"
#include "engine/network/architectures.h"
#include "engine/network/torch_setup.h"
#include "tests/engine/network/plain_face_cnn.h"

namespace {

using namespace seldon;
using namespace seldon::engine;

constexpr std::size_t batch_size = 237, table_rows = 4000;

/// Milliseconds that f takes.
template <class F>
double milliseconds(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

struct Table {
  std::vector<std::uint8_t> pixels;
  std::vector<double> labels;
  Dataset data;

  Table() {
    const Stream draws(Purpose::synthetic_data, 1);
    data.rows = table_rows;
    data.image = {1, 48, 48};
    for (std::size_t i = 0; i < table_rows * data.image.pixels(); ++i)
      pixels.push_back(static_cast<std::uint8_t>(draws.below(i, 256)));
    for (std::size_t i = 0; i < table_rows; ++i) labels.push_back(static_cast<double>(i % 2));
    data.pixels = pixels;
    data.labels = labels;
  }
};

/// The engine's learner with the gradient of the mean log loss.
class Engine {
 public:
  Engine(const Table& table, std::size_t width) : table_(table), batch_(batch_size), active_(width, 1) {
    LearnerRequest request;
    request.data = &table.data;
    request.model_name = "bench";
    Rows all(table_rows);
    for (std::size_t i = 0; i < table_rows; ++i) all[i] = static_cast<std::uint32_t>(i);
    for (std::size_t t = 0; t < width; ++t) {
      request.candidate_rows.push_back(all);
      request.trials.push_back(static_cast<std::uint32_t>(t));
    }
    const network::Network network(network::face_cnn(), network::input_shape(table.data));
    learner_ = network::make_network_learner(network, request);
  }

  void iterate(std::size_t k) {
    for (std::size_t i = 0; i < batch_size; ++i)
      batch_[i] = static_cast<std::uint32_t>((k * batch_size + i) % table_rows);
    const std::vector<std::span<const std::uint32_t>> batches(active_.size(), batch_);
    forward.push_back(milliseconds([&] { learner_->forward(batches); }));
    std::vector<std::vector<double>> derivatives(active_.size());
    for (std::size_t t = 0; t < active_.size(); ++t) {
      const auto scores = learner_->predictors(0, t);
      for (std::size_t i = 0; i < batch_size; ++i)
        derivatives[t].push_back((1 / (1 + std::exp(-scores[i])) - table_.labels[batch_[i]]) / batch_size);
    }
    const std::vector<std::span<const double>> views(derivatives.begin(), derivatives.end());
    backward.push_back(milliseconds([&] { learner_->backward(0, views); }));
    step.push_back(milliseconds([&] {
      learner_->step({.step = 1e-3}, active_);
      learner_->clear();
    }));
  }

  std::vector<double> forward, backward, step;

 private:
  const Table& table_;
  std::vector<std::uint32_t> batch_;
  std::vector<std::uint8_t> active_;
  std::unique_ptr<Learner> learner_;
};

class Plain {
 public:
  explicit Plain(const Table& table) : net_(/*pool_first=*/true), optimizer_(net_->parameters(), 1e-3) {
    auto* const bytes =
        const_cast<std::uint8_t*>(table.pixels.data());  // LibTorch has no tensor over constants
    pixels_ = torch::from_blob(bytes, {table_rows, 1, 48, 48}, torch::kByte).clone();
    labels_ = torch::arange(static_cast<std::int64_t>(table_rows)).remainder(2).to(torch::kFloat);
    net_->to(torch::kFloat);
    for (auto& parameter : net_->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }

  void iterate(std::size_t k) {
    const auto first = static_cast<std::int64_t>(k * batch_size),
               size = static_cast<std::int64_t>(batch_size);
    const torch::Tensor rows =
        torch::arange(first, first + size).remainder(static_cast<std::int64_t>(table_rows));
    const torch::Tensor x =
        pixels_.index_select(0, rows).to(torch::kFloat).div_(255).contiguous(at::MemoryFormat::ChannelsLast);
    optimizer_.zero_grad();
    torch::binary_cross_entropy(net_->forward(x), labels_.index_select(0, rows)).backward();
    optimizer_.step();
  }

 private:
  seldon::testing::PlainFaceCnn net_;
  torch::optim::Adam optimizer_;
  torch::Tensor pixels_, labels_;
};

}  // namespace

int main(int argc, char** argv) {
  network::tune_allocator();
  network::configure_torch(1);
  const std::size_t iterations = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 15;
  const std::size_t width = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1;
  constexpr std::size_t warm_up = 3;

  const Table table;
  Engine engine(table, width);
  Plain plain(table);
  std::vector<double> ours, theirs;
  for (std::size_t k = 0; k < warm_up + iterations; ++k) {
    const double a = milliseconds([&] { engine.iterate(k); });
    const double b = milliseconds([&] { plain.iterate(k); });
    if (k < warm_up) continue;
    ours.push_back(a / static_cast<double>(width));
    theirs.push_back(b);
  }
  const double scale = static_cast<double>(width);
  std::printf("%s\n", network::torch_numerics().c_str());
  std::printf("face CNN, batch %zu, %zu trial%s, ms per trial and iteration, median of %zu\n", batch_size,
              width, width == 1 ? "" : "s at once", iterations);
  std::printf("  engine    %7.1f   (forward with gather %.1f, backward %.1f, step %.1f)\n", median(ours),
              median(engine.forward) / scale, median(engine.backward) / scale, median(engine.step) / scale);
  std::printf("  LibTorch  %7.1f\n", median(theirs));
  std::printf("  ratio     %7.3f   (at most 1.15 wanted)\n", median(ours) / median(theirs));
  return 0;
}
