#include "analysis/table.h"

#include <array>

namespace seldon::analysis {

TableCell TableCell::of(std::string text) {
  TableCell cell;
  cell.kind = Kind::text;
  cell.text = std::move(text);
  return cell;
}

TableCell TableCell::of_count(std::uint64_t count) {
  TableCell cell;
  cell.kind = Kind::count;
  cell.value = static_cast<double>(count);
  return cell;
}

TableCell TableCell::of_number(double value, std::string why_nan) {
  TableCell cell;
  cell.kind = Kind::number;
  cell.value = value;
  cell.text = std::move(why_nan);
  return cell;
}

TableCell TableCell::of_interval(double value, double lower, double upper, std::string why_nan) {
  auto cell = of_number(value, std::move(why_nan));
  cell.lower = lower;
  cell.upper = upper;
  cell.interval = true;
  return cell;
}

}  // namespace seldon::analysis
