#pragma once
// The trees of several constraints, evaluated for all trials at once: intervals, means and their derivatives
// as engine/constraint/propagate.cpp computes them, ties, infinities and NaN included. Nodes of one height
// and operation form a group that is computed together, so that the number of tensor operations depends on
// the shape of the trees and not on how many there are.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "engine/constraint/constraint.h"
#include "engine/constraint/tree.h"

namespace seldon::engine::tensor {

/// Nodes tree after tree, as [trees, most nodes of a tree], so that one reduction reaches all trees.
class Segments {
 public:
  Segments(const std::vector<std::size_t>& sizes, const at::Device& device);
  /// x [..., K, T] as [..., trees, P, T]; a tree with under P nodes repeats its first.
  at::Tensor split(const at::Tensor& x) const;

 private:
  std::int64_t trees_, most_;
  at::Tensor nodes_;  ///< undefined where all trees have as many nodes
};

struct ForestTree {
  const Constraint* constraint = nullptr;
  bool differentiate = true;
};

class Forest {
 public:
  /// Base nodes are numbered tree after tree. The trees may go afterwards.
  Forest(std::span<const ForestTree> trees, const at::Device& device);

  /// base [3, K, T] in double: lower bounds (<= the upper ones), upper bounds and means of the base nodes.
  /// Returns [2, C, T]: upper ends, and values on means. A NaN among a tree's base nodes makes both NaN.
  at::Tensor evaluate(const at::Tensor& base);
  /// After `evaluate`: the derivatives [3, K, T] of the upper ends by lower and upper bounds, and of the
  /// values by means; 0 where not finite, and for trees that are not differentiated. Nothing that can be used
  /// where `evaluate` gave NaN.
  at::Tensor derivative();

 private:
  struct Group {
    Op op;
    bool even_powers = true;
    std::int64_t count = 0;
    std::int64_t first_value = 0;    ///< row of values_
    std::int64_t first_adjoint = 0;  ///< row of adjoints_: of its arguments
    at::Tensor arguments;            ///< rows of values_
    at::Tensor adjoints;             ///< rows of adjoints_: of its results
    bool tame = true;                ///< no argument can be an interval of one infinite point
    bool differentiate = false;      ///< of any node; which ends of a result have a derivative
    bool lower = false, upper = false;
    // Kept from `evaluate`.
    at::Tensor a, b, corners, reciprocal, without_value;
  };
  struct Builder;

  void forward(Group& group);
  void add(Group& group, at::Tensor out) const;
  void minimum(Group& group, at::Tensor out) const;
  void absolute(Group& group, at::Tensor out) const;
  void multiply(Group& group, at::Tensor out) const;
  void divide(Group& group, at::Tensor out) const;
  void power(Group& group, at::Tensor out) const;
  void backward(const Group& group);
  at::Tensor select_corners(const Group& group, const at::Tensor& adjoint) const;
  at::Tensor absolute_adjoint(const at::Tensor& a, const at::Tensor& adjoint, bool lower) const;

  std::vector<Group> groups_;
  Segments segments_;
  std::int64_t bases_ = 0, trees_ = 0, repetitions_ = 0;
  std::int64_t value_rows_ = 0, adjoint_rows_ = 0;
  at::Tensor constants_;      ///< [constants, 1]
  at::Tensor roots_;          ///< rows of values_: upper ends, then means
  at::Tensor base_adjoints_;  ///< rows of adjoints_: [repetitions, 3, K]
  at::Tensor zero_, nan_, zero_and_one_, signs_, unknown_, no_quotient_, corner_;
  at::Tensor values_, adjoints_;
};

}  // namespace seldon::engine::tensor
