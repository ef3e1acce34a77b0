#pragma once

#include <cstddef>
#include <functional>

namespace seldon::bench {

/// How many operations LibTorch gives to the device while `f` runs: the innermost ones, without those that
/// only make a view or allocate. On a GPU each is a kernel, now and then two.
std::size_t count_operations(const std::function<void()>& f);

}  // namespace seldon::bench
