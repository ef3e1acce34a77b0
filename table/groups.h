#pragma once
// Groups of rows, built row by row from their conditions.

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "table/read_options.h"
#include "table/where.h"

namespace seldon::table {

/// A group and its rows: one byte per row, 1 for members.
struct GroupMembers {
  std::string attribute, name;
  bool overlapping = false;
  std::vector<std::uint8_t> member;
};

class GroupBuilder {
 public:
  /// `columns` are those of the rows to come, `file` is what messages call their source.
  GroupBuilder(const std::vector<GroupOptions>& groups, std::span<const std::string> columns,
               const std::string& file);

  /// Sorts in the next row. InputError if a partitioned attribute has it in no group or in two.
  void add(const RowValues& row, const Location& place);

  /// The groups; InputError if one has no rows.
  std::vector<GroupMembers> finish() &&;

 private:
  struct Attribute {
    std::string name;
    bool overlapping;
    std::vector<std::size_t> groups;
  };
  void check_partition(const Attribute& attribute, const Location& place) const;

  std::vector<GroupOptions> options_;
  std::string file_;
  std::vector<Where> conditions_;
  std::vector<Attribute> attributes_;
  std::vector<GroupMembers> members_;
};

}  // namespace seldon::table
