#include "bench/operations.h"

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <ATen/record_function.h>

namespace seldon::bench {
namespace {

std::atomic<std::size_t> operations;
/// For each operation that this thread is in: whether it has begun another one.
thread_local std::vector<bool> has_inner;

bool reaches_device(const std::string& name) {
  static const std::set<std::string> quiet = {"aten::view",
                                              "aten::reshape",
                                              "aten::_reshape_alias",
                                              "aten::as_strided",
                                              "aten::select",
                                              "aten::slice",
                                              "aten::narrow",
                                              "aten::transpose",
                                              "aten::t",
                                              "aten::permute",
                                              "aten::expand",
                                              "aten::unsqueeze",
                                              "aten::squeeze",
                                              "aten::alias",
                                              "aten::detach",
                                              "aten::detach_",
                                              "detach",
                                              "detach_",
                                              "aten::empty",
                                              "aten::empty_like",
                                              "aten::resize_",
                                              "aten::empty_strided",
                                              "aten::result_type",
                                              "aten::is_nonzero",
                                              "aten::unbind",
                                              "aten::set_",
                                              "aten::to",
                                              "aten::contiguous",
                                              "aten::_to_copy",
                                              "aten::_unsafe_view",
                                              "aten::expand_as",
                                              "aten::flatten",
                                              "aten::requires_grad_",
                                              "aten::lift_fresh",
                                              "aten::split",
                                              "aten::chunk",
                                              "aten::view_as_real",
                                              "aten::unsafe_split",
                                              "aten::unfold",
                                              "aten::split_with_sizes"};
  return name.starts_with("aten::") && !quiet.contains(name);
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
  if (!has_inner.empty()) has_inner.back() = true;
  has_inner.push_back(false);
  return nullptr;
}

void end(const at::RecordFunction& function, at::ObserverContext*) {
  if (has_inner.empty()) return;  // begun before the count
  if (!has_inner.back() && reaches_device(function.name())) ++operations;
  has_inner.pop_back();
}

}  // namespace

std::size_t count_operations(const std::function<void()>& f) {
  operations = 0;
  has_inner.clear();
  const at::CallbackHandle handle =
      at::addGlobalCallback(at::RecordFunctionCallback(begin, end).scopes({at::RecordScope::FUNCTION}));
  f();
  at::removeCallback(handle);
  return operations;
}

}  // namespace seldon::bench
