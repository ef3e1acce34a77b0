#pragma once
// Ranks as threads of one process: whatever several ranks do together can be tested without MPI.

#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <thread>
#include <vector>

#include "core/collective.h"

namespace seldon::testing {

class ThreadGroup {
 public:
  explicit ThreadGroup(int size)
      : barrier_(size), places_(static_cast<std::size_t>(size)), calls_(places_.size(), 0) {}

  /// Runs f(collective) once per rank, all at the same time.
  void run(const std::function<void(Collective&)>& f) {
    std::vector<std::jthread> threads;
    for (std::size_t r = 0; r < places_.size(); ++r)
      threads.emplace_back([this, r, &f] {
        Member member(*this, static_cast<int>(r));
        try {
          f(member);
        } catch (const std::exception& error) {
          // The others wait for this rank, for ever.
          std::cerr << "rank " << r << ": " << error.what() << '\n';
          std::abort();
        }
      });
  }
  /// How many calls rank r has made in all.
  std::size_t calls(std::size_t r) const { return calls_[r]; }

 private:
  class Member final : public Collective {
   public:
    Member(ThreadGroup& group, int rank) : group_(group), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(group_.places_.size()); }
    bool on_device() const override { return false; }
    void check() override {}

    void all_reduce(void* data, std::size_t count, Element element) override {
      if (element == Element::float32) sum<float>(data, count);
      if (element == Element::float64) sum<double>(data, count);
    }
    void all_gather(const void* in, void* out, std::size_t count, Element element) override {
      const std::size_t bytes = count * size_of(element);
      exchange(const_cast<void*>(in), [&] {
        for (std::size_t r = 0; r < group_.places_.size(); ++r)
          std::memcpy(static_cast<char*>(out) + r * bytes, group_.places_[r], bytes);
      });
    }
    void broadcast(void* data, std::size_t count, Element element, int root) override {
      exchange(data, [&] {
        if (rank_ != root)
          std::memcpy(data, group_.places_[static_cast<std::size_t>(root)], count * size_of(element));
      });
    }

   private:
    /// f() while every rank's buffer stays as it is.
    template <class F>
    void exchange(void* buffer, F f) {
      ++group_.calls_[static_cast<std::size_t>(rank_)];
      group_.places_[static_cast<std::size_t>(rank_)] = buffer;
      group_.barrier_.arrive_and_wait();
      f();
      group_.barrier_.arrive_and_wait();
    }
    template <class T>
    void sum(void* data, std::size_t count) {
      std::vector<T> total(count, T{0});
      exchange(data, [&] {
        for (const void* place : group_.places_)
          for (std::size_t i = 0; i < count; ++i) total[i] += static_cast<const T*>(place)[i];
      });
      std::memcpy(data, total.data(), count * sizeof(T));
    }

    ThreadGroup& group_;
    int rank_;
  };

  std::barrier<> barrier_;
  std::vector<void*> places_;
  std::vector<std::size_t> calls_;
};

}  // namespace seldon::testing
