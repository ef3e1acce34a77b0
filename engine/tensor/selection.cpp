#include "engine/tensor/selection.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "core/backoff.h"
#include "core/collective.h"
#include "engine/notice.h"
#include "engine/optimizer/adam.h"
#include "engine/tensor/lagrangian.h"

namespace seldon::engine::tensor {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::int64_t extent(std::size_t n) {
  return static_cast<std::int64_t>(n);
}

// ---- batches
// -----------------------------------------------------------------------------------------------------

/// The rows of each iteration's batch. The order of an epoch is drawn on the host, as BatchSchedule does, and
/// sent ahead; the device takes a batch of it by its own count of iterations.
class BatchFeed {
 public:
  BatchFeed(const TensorLearner& learner, const IterationRequest& request)
      : all_rows_(learner.candidate_rows()), data_(request.data) {
    for (const CandidateData& trial : data_)
      schedules_.emplace_back(trial.rows.size(), trial.trial, request.options->batches);
    const std::int64_t trials = extent(data_.size()), rows = extent(data_[0].rows.size());
    for (std::size_t i = 0; i < per_epoch(); ++i) sizes_.push_back(extent(schedules_[0].batch(i).size()));
    if (per_epoch() == 1) return;
    order_ = at::empty({trials, rows}, at::TensorOptions(at::kInt).device(learner.device()));
    for (std::optional<Buffer>& buffer : buffers_)
      buffer.emplace(
          Buffer{transfer_buffer({trials, rows}, at::kInt, learner.device()), Mark(learner.device())});
  }

  std::size_t per_epoch() const { return schedules_[0].batches_per_epoch(); }
  /// Rows of iteration `i`'s batch.
  std::int64_t size(std::size_t i) const { return sizes_[i % per_epoch()]; }
  bool counts(std::size_t i) const { return schedules_[0].counts(i); }

  bool begins_epoch(std::size_t i) const { return per_epoch() > 1 && i % per_epoch() == 0; }
  /// What must be reached before the order of the epoch that iteration `i` begins can be sent.
  const Mark& sent_before(std::size_t i) const { return buffers_[i / per_epoch() % 2]->mark; }
  /// Sends that order, behind what the device has yet to do with the
  /// one before.
  void send(std::size_t i) {
    Buffer& buffer = *buffers_[i / per_epoch() % 2];
    std::int32_t* out = buffer.rows.data_ptr<std::int32_t>();
    for (std::size_t t = 0; t < schedules_.size(); ++t)
      for (std::size_t k = 0; k < per_epoch(); ++k)
        for (std::uint32_t position : schedules_[t].batch(i + k))
          *out++ = static_cast<std::int32_t>(data_[t].rows[position]);
    order_.copy_(buffer.rows, /*non_blocking=*/true);
    buffer.mark.set();
  }

  /// [T, size] rows of the table, for the iteration that `iteration` [1] (int64) counts. All batches begin
  /// at a multiple of the first one's size.
  at::Tensor pick(const at::Tensor& iteration, std::int64_t size) const {
    if (per_epoch() == 1) return all_rows_;
    const at::Tensor begin = iteration.remainder(extent(per_epoch())).mul_(sizes_[0]);
    const at::Tensor places = at::arange(size, iteration.options()).add_(begin);
    return order_.index_select(1, places).to(at::kLong);
  }

 private:
  struct Buffer {
    at::Tensor rows;  ///< [T, n] rows of the table
    Mark mark;        ///< behind its transfer
  };

  at::Tensor all_rows_;
  std::span<const CandidateData> data_;
  std::vector<BatchSchedule> schedules_;
  std::vector<std::int64_t> sizes_;
  at::Tensor order_;  ///< on the device: the present epoch's
  std::array<std::optional<Buffer>, 2> buffers_;
};

// ---- the look at an iterate
// --------------------------------------------------------------------------------------

/// What is known of each trial's way so far, on the device. Everything is written in place, so that a
/// recording finds it, nothing comes from the host (numbers within operations do not count, but those that
/// at::where chooses from do), and nothing of a stopped trial changes: values are selected, never multiplied
/// by zero.
class Search {
 public:
  Search(const IterationRequest& request, const at::Device& device)
      : options_(*request.options),
        toolkit_(request.options->adam.toolkit),
        keep_(extent(request.keep)),
        trials_(extent(request.data.size())),
        constraints_(extent(request.problem->constraints.size())) {
    const auto real = at::TensorOptions(at::kDouble).device(device);
    const auto whole = at::TensorOptions(at::kLong).device(device);
    active_ = at::full({trials_}, true, real.dtype(at::kBool));
    small_group_ = at::full({trials_}, false, real.dtype(at::kBool));
    stop_ = at::zeros({trials_}, whole);
    multipliers_ = from_host(options_.multipliers, {1, constraints_}, real).repeat({trials_, 1});
    least_ = at::full({trials_, 2}, -1.0, real);
    ranks_ = at::arange(keep_, whole);
    kept_ = at::stack({at::full({trials_, keep_}, infinity, real), at::full({trials_, keep_}, -1.0, real),
                       ranks_.to(at::kDouble).expand({trials_, keep_})},
                      1);
    if (!options_.keep_trace) return;
    row_ = at::empty({trials_, width()}, real);
    trace_ = at::full({extent(options_.iterations), trials_, width()}, not_a_number, real);
  }

  const at::Tensor& active() const { return active_; }
  const at::Tensor& multipliers() const { return multipliers_; }

  /// Records the iterate, stops trials on NaN, keeps it where it is good. `loss` [T] with the penalty,
  /// `finite` [T] of the parameters, `iteration` [1]; `counts`: the batch is a basis for calling it the best.
  void look(const TensorLagrangian::Value& value, const at::Tensor& loss, const at::Tensor& finite,
            const at::Tensor& iteration, bool counts, TensorLearner& learner) {
    if (options_.keep_trace) row_.copy_(trace_row(value, loss));
    small_group_.copy_(at::where(active_, value.small_group, small_group_));
    stop_.copy_(at::where(active_, reason_to_stop(value, loss, finite), stop_));
    active_.copy_(stop_.eq(0));
    if (keep_ == 0) return;  // training that returns its last iterate

    const at::Tensor now = iteration.to(at::kDouble).expand({trials_});
    const at::Tensor freed = kept_.select(1, 2).select(1, keep_ - 1).clone();
    at::Tensor slot = at::full({trials_}, static_cast<double>(last_slot(keep())), freed.options());
    if (counts) {
      const at::Tensor good = active_.logical_and(value.feasible())
                                  .logical_and_(loss.lt(kept_.select(1, 0).select(1, keep_ - 1)));
      insert(good, at::stack({loss, now, freed}, 1).unsqueeze(2));
      slot = at::where(good, freed, slot);
    }
    const at::Tensor least = violates_least(value.violation(toolkit_), now);
    learner.save(slot.masked_fill(least, static_cast<double>(least_violation_slot(keep()))).to(at::kLong));
  }

  /// Projected ascent. An infinite bound has no size to go by, so the multiplier grows by the step itself.
  void ascend(const TensorLagrangian::Value& value) {
    const at::Tensor slope = at::where(value.upper.isinf(), value.upper.sign(), value.upper);
    const at::Tensor moved = multipliers_.add(slope, options_.step_multipliers).clamp_min_(0);
    multipliers_.copy_(at::where(value.usable.logical_and(active_.unsqueeze(1)), moved, multipliers_));
  }

  /// Files the row of the last look as that of iteration `i`. The host knows the number, so that this stays
  /// outside of what is recorded.
  void file(std::size_t i) {
    if (options_.keep_trace) trace_.select(0, extent(i)).copy_(row_);
  }

  /// Waits for the device.
  std::vector<IterationResult> results() const {
    const at::Tensor all = at::cat({kept_.flatten(1), least_, stop_.to(at::kDouble).unsqueeze(1),
                                    small_group_.to(at::kDouble).unsqueeze(1)},
                                   1)
                               .cpu();
    const at::Tensor trace = options_.keep_trace ? trace_.cpu() : at::Tensor();
    std::vector<IterationResult> results(static_cast<std::size_t>(trials_));
    for (std::int64_t t = 0; t < trials_; ++t) {
      IterationResult& result = results[static_cast<std::size_t>(t)];
      result = result_of(all.data_ptr<double>() + t * all.size(1));
      if (options_.keep_trace) result.selection.trace = trace_of(trace, t);
    }
    return results;
  }

 private:
  std::size_t keep() const { return static_cast<std::size_t>(keep_); }
  std::int64_t width() const { return 1 + 2 * constraints_; }

  static at::Tensor from_host(const std::vector<double>& values, at::IntArrayRef sizes,
                              const at::TensorOptions& options) {
    const at::Tensor host = at::empty(sizes, at::kDouble);
    std::ranges::copy(values, host.data_ptr<double>());
    return host.to(options.device());
  }

  /// [T, 1 + 2C]: the loss, then each constraint's multiplier and bound; NaN of a stopped trial.
  at::Tensor trace_row(const TensorLagrangian::Value& value, const at::Tensor& loss) const {
    const at::Tensor pairs = at::stack({multipliers_, value.upper}, 2).reshape({trials_, 2 * constraints_});
    return at::cat({loss.unsqueeze(1), pairs}, 1)
        .masked_fill_(active_.logical_not().unsqueeze(1), not_a_number);
  }

  /// [T], a Selection::Stop each.
  at::Tensor reason_to_stop(const TensorLagrangian::Value& value, const at::Tensor& loss,
                            const at::Tensor& finite) const {
    const at::Tensor sound =
        finite.logical_and(loss.isfinite()).logical_and_(value.not_a_number().logical_not());
    const at::Tensor broken = sound.logical_not().to(at::kLong);  // Selection::Stop::not_finite is 1
    static_assert(static_cast<int>(Selection::Stop::not_finite) == 1);
    if (!toolkit_) return broken;
    return at::where(sound,
                     value.infinite().to(at::kLong).mul_(static_cast<int>(Selection::Stop::infinite_bound)),
                     broken);
  }

  /// Inserts `iterate` [T, 3, 1] (loss, iteration, slot) behind those that are as good, where `good` [T]
  /// holds; the last one drops out, and its slot is the one taken.
  void insert(const at::Tensor& good, const at::Tensor& iterate) {
    const at::Tensor place =
        kept_.select(1, 0).le(iterate.select(1, 0)).sum(1, /*keepdim=*/true).unsqueeze(1);  // [T, 1, 1]
    const at::Tensor inserted =
        at::where(ranks_.lt(place), kept_, at::where(ranks_.eq(place), iterate, kept_.roll(1, 2)));
    kept_.copy_(at::where(good.reshape({trials_, 1, 1}), inserted, kept_));
  }

  /// [T]: this iterate violates the constraints least so far, in a trial that has kept none; it is noted. Of
  /// equals (all infinite, say) the toolkit takes the first; the later one has learnt more.
  at::Tensor violates_least(const at::Tensor& violation, const at::Tensor& now) {
    const at::Tensor before = least_.select(1, 0);
    const at::Tensor none_kept = kept_.select(1, 1).select(1, 0).lt(0);
    const at::Tensor first = least_.select(1, 1).lt(0);
    const at::Tensor least = (toolkit_ ? violation.lt(before) : violation.le(before))
                                 .logical_or_(first)
                                 .logical_and_(none_kept)
                                 .logical_and_(active_);
    least_.copy_(at::where(least.unsqueeze(1), at::stack({violation, now}, 1), least_));
    return least;
  }

  IterationResult result_of(const double* values) const {
    IterationResult result;
    const double *losses = values, *iterations = losses + keep_, *slots = iterations + keep_;
    const double* rest = slots + keep_;
    for (std::int64_t k = 0; k < keep_ && iterations[k] >= 0; ++k)
      result.kept.push_back(
          {losses[k], static_cast<std::int64_t>(iterations[k]), static_cast<std::size_t>(slots[k])});
    result.least_violation_iteration = static_cast<std::int64_t>(rest[1]);
    result.least_violation_slot = least_violation_slot(keep());
    result.selection.stop = static_cast<Selection::Stop>(static_cast<int>(rest[2]));
    result.selection.small_group = rest[3] != 0;
    // The toolkit then returns nothing, whatever it has found before (docs/semantics.md).
    if (toolkit_ && result.selection.stop != Selection::Stop::no) result.kept.clear();
    return result;
  }

  std::vector<double> trace_of(const at::Tensor& all, std::int64_t trial) const {
    const at::Tensor own = all.select(1, trial).contiguous();
    return {own.data_ptr<double>(), own.data_ptr<double>() + own.numel()};
  }

  const SelectionOptions& options_;
  bool toolkit_;
  std::int64_t keep_, trials_, constraints_;
  at::Tensor active_, small_group_;  ///< [T] bool
  at::Tensor stop_;                  ///< [T] int64, a Selection::Stop each
  at::Tensor multipliers_;           ///< [T, C]
  at::Tensor kept_;                  ///< [T, 3, keep]: loss (+inf: none), iteration (-1), slot
  at::Tensor ranks_;                 ///< 0 .. keep - 1
  at::Tensor least_;                 ///< [T, 2]: violation, iteration (-1: none)
  at::Tensor row_, trace_;           ///< [T, 1 + 2C], [iterations, T, 1 + 2C]
};

// ---- the loop
// ----------------------------------------------------------------------------------------------------

/// Adam's corrections of every step: [iterations, 2].
at::Tensor table_of_corrections(const SelectionOptions& options, const at::Device& device) {
  const at::Tensor table = at::empty({extent(options.iterations), 2}, at::kDouble);
  double* out = table.data_ptr<double>();
  for (std::size_t i = 0; i < options.iterations; ++i) {
    const AdamStep step = adam_step(options.adam, i);
    *out++ = step.correction_velocity;
    *out++ = step.correction_square;
  }
  return table.to(device);
}

/// Keeps the host a little ahead of the device, and hears orders to stop while it waits.
class Pace {
 public:
  Pace(const at::Device& device, Progress& progress, Collective* collective)
      : progress_(progress), collective_(collective), start_(Clock::now()), end_(device) {
    for (std::size_t k = 0; k < most_ahead; ++k) marks_.emplace_back(device);
  }
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;
  /// Waits for the device however this ends: what is under way uses memory that is about to be given back.
  /// With a group of ranks it may wait for a member that has died, until `check` sees that.
  ~Pace() {
    try {
      end_.set();
      for (Backoff pause; !end_.reached(); pause.pause()) check_quietly();
    } catch (const std::exception& error) {
      say_error(std::string("the device failed: ") + error.what());
    }
  }

  /// Before an iteration.
  void begin() {
    ask();
    while (finished_ < begun_ && marks_[finished_ % most_ahead].reached()) ++finished_;
    while (begun_ - finished_ >= allowed_ahead()) {
      wait(marks_[finished_ % most_ahead]);
      ++finished_;
    }
  }
  /// After all of it has been asked of the device.
  void end() { marks_[begun_++ % most_ahead].set(); }

  void wait(const Mark& mark) {
    for (Backoff pause; !mark.reached(); pause.pause()) ask();
  }
  void wait_for_all() {
    end_.set();
    wait(end_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t most_ahead = 64;

  /// About a tenth of a second's work: enough that the device never waits for the host, and so little that a
  /// stop order is soon carried out.
  std::size_t allowed_ahead() const {
    constexpr std::size_t least_ahead = 2;
    if (finished_ == 0) return least_ahead;
    constexpr double seconds_ahead = 0.1;
    const std::chrono::duration<double> elapsed = Clock::now() - start_;
    const double iterations = seconds_ahead * static_cast<double>(finished_) / elapsed.count();
    return static_cast<std::size_t>(std::clamp<double>(iterations, least_ahead, most_ahead));
  }
  void ask() {
    if (progress_.tick() == Order::stop) throw Stopped{};
    if (collective_) collective_->check();
  }
  void check_quietly() {
    if (!collective_) return;
    try {
      collective_->check();
    } catch (const Stopped&) {  // that is why we are leaving
    }
  }

  Progress& progress_;
  Collective* collective_;
  Clock::time_point start_;
  std::vector<Mark> marks_;  ///< behind iteration i: marks_[i % most_ahead]
  Mark end_;
  std::size_t begun_ = 0, finished_ = 0;
};

/// Learns that every trial has stopped, without waiting: now and then the device is asked, and the answer is
/// read once it is there.
class Lookout {
 public:
  explicit Lookout(const at::Device& device)
      : answer_(transfer_buffer({1}, at::kBool, device)), there_(device) {}

  bool all_stopped(std::size_t i, const at::Tensor& active) {
    if (asked_ && there_.reached()) {
      asked_ = false;
      if (!*answer_.data_ptr<bool>()) return true;
    }
    constexpr std::size_t iterations_between = 16;
    if (!asked_ && i % iterations_between == 0) {
      answer_.copy_(active.any().unsqueeze(0), /*non_blocking=*/true);
      there_.set();
      asked_ = true;
    }
    return false;
  }

 private:
  at::Tensor answer_;
  Mark there_;
  bool asked_ = false;
};

class Loop {
 public:
  Loop(TensorLearner& learner, const IterationRequest& request, std::unique_ptr<Recorder> recorder)
      : learner_(learner),
        request_(request),
        recorder_(std::move(recorder)),
        lagrangian_(*request.problem, learner.table(), request.data[0].safety_rows),
        feed_(learner, request),
        first_to_record_(first_to_record(feed_, request.options->iterations)),
        search_(request, learner.device()),
        iteration_(at::zeros({1}, at::TensorOptions(at::kLong).device(learner.device()))),
        corrections_(table_of_corrections(*request.options, learner.device())) {
    if (request.keep > 0) learner.reserve_slots(extent(last_slot(request.keep) + 1));
  }

  std::vector<IterationResult> run(Progress& progress, Collective* collective) {
    Pace pace(learner_.device(), progress, collective);
    Lookout lookout(learner_.device());
    for (std::size_t i = 0; i < request_.options->iterations; ++i) {
      pace.begin();
      if (feed_.begins_epoch(i)) {
        pace.wait(feed_.sent_before(i));
        feed_.send(i);
      }
      run_or_replay(i);
      search_.file(i);
      pace.end();
      // Ranks that share a trial must leave the loop at the same iteration; what each has heard by now
      // differs.
      if (!collective && lookout.all_stopped(i, search_.active())) break;
    }
    pace.wait_for_all();
    return search_.results();
  }

 private:
  /// Iterations with one size of batch.
  struct Shape {
    std::function<void()> work;
    std::unique_ptr<Recording> recording;
  };

  void run_or_replay(std::size_t i) {
    const std::pair key(feed_.size(i), feed_.counts(i));
    Shape& shape = shapes_[key];
    if (!shape.work) shape.work = [this, key] { iterate(key.first, key.second); };
    if (recorder_ && !shape.recording && i >= first_to_record_) record(shape);
    if (shape.recording) {
      shape.recording->replay();
    } else {
      shape.work();
    }
  }

  /// As LibTorch asks, first runs set up what a recording must not, such as the libraries' workspaces: some
  /// runs, among them one with each size of batch. None may come later, since a run needs memory of its own
  /// beside that of the recordings.
  static std::size_t first_to_record(const BatchFeed& feed, std::size_t iterations) {
    constexpr std::size_t least_runs = 3;
    std::size_t first = least_runs;
    for (std::size_t i = least_runs; i < std::min(feed.per_epoch(), iterations); ++i)
      if (feed.size(i) != feed.size(0) || feed.counts(i) != feed.counts(0)) first = i + 1;
    return first;
  }

  void record(Shape& shape) {
    shape.recording = recorder_->record(shape.work);
    if (shape.recording) return;
    say_once("the iteration is not run as a CUDA graph: " + recorder_->why_not());
    recorder_.reset();
  }

  template <class F>
  static auto with_gradients(const F& f) {
    const at::AutoGradMode enabled(true);
    return f();
  }

  /// One iteration as the device sees it, which counts them itself: the calls are the same every time.
  void iterate(std::int64_t batch, bool counts) {
    const at::Tensor rows = feed_.pick(iteration_, batch);
    const at::Tensor predictors = with_gradients([&] { return learner_.forward(rows); }).detach();
    const TensorLagrangian::Value value = lagrangian_.evaluate(rows, predictors);
    const at::Tensor direction = lagrangian_.gradient(search_.multipliers());
    with_gradients([&] { learner_.backward(direction); });
    at::Tensor loss = value.loss;
    if (request_.problem->l2 > 0) loss = loss.add(learner_.regularise(request_.problem->l2));
    search_.look(value, loss, learner_.finite(), iteration_, counts, learner_);
    search_.ascend(value);
    learner_.step(request_.options->adam, corrections_.index_select(0, iteration_).squeeze(0),
                  search_.active());
    iteration_.add_(1);
  }

  TensorLearner& learner_;
  const IterationRequest& request_;
  std::unique_ptr<Recorder> recorder_;  ///< null: iterations run as they are
  TensorLagrangian lagrangian_;
  BatchFeed feed_;
  std::size_t first_to_record_;  ///< iteration
  Search search_;
  at::Tensor iteration_;    ///< [1] int64
  at::Tensor corrections_;  ///< [iterations, 2]
  std::map<std::pair<std::int64_t, bool>, Shape> shapes_;
};

}  // namespace

std::optional<std::string> unsupported(const TensorLearner& learner, const IterationRequest& request) {
  const auto* whole = dynamic_cast<const Learner*>(&learner);
  if (whole && whole->batch_dependent())
    return "batchnorm = \"toolkit\" gives each base node a forward pass of its own";
  if (auto reason = TensorLagrangian::unsupported(*request.problem)) return reason;
  const at::Tensor& rows = learner.candidate_rows();
  if (request.data.empty() || rows.size(0) != extent(request.data.size()) || rows.size(1) == 0)
    return "there are no candidate rows";
  for (const CandidateData& trial : request.data)
    if (extent(trial.rows.size()) != rows.size(1) || trial.safety_rows != request.data[0].safety_rows)
      return "the trials of the pack differ in their number of rows";
  return std::nullopt;
}

bool iterate(TensorLearner& learner, const IterationRequest& request, const Execution& execution,
             std::vector<IterationResult>& results, Progress& progress, std::unique_ptr<Recorder> recorder) {
  if (const auto reason = unsupported(learner, request)) {
    say_once("candidate selection runs on the host, iteration by iteration: " + *reason);
    return false;
  }
  if (execution.graph && execution.collective)
    say_once("the iteration is not run as a CUDA graph: several ranks run a trial together");
  if (!execution.graph || execution.collective) {
    recorder.reset();
  } else if (!recorder) {
    recorder = make_recorder(learner.device());
  }
  const at::NoGradGuard no_grad;
  const WorkQueue queue(learner.device());
  Loop loop(learner, request, std::move(recorder));
  results = loop.run(progress, execution.collective);
  return true;
}

}  // namespace seldon::engine::tensor
