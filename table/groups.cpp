#include "table/groups.h"

#include <algorithm>
#include <utility>

#include "table/text.h"

namespace seldon::table {

GroupBuilder::GroupBuilder(const std::vector<GroupOptions>& groups, std::span<const std::string> columns,
                           const std::string& file)
    : options_(groups), file_(file) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const GroupOptions& group = groups[i];
    for (std::size_t earlier = 0; earlier < i; ++earlier)
      if (groups[earlier].name == group.name)
        throw InputError(group.location, "two groups are named " + quote(group.name) +
                                             "; constraints could not tell them apart: rename one");
    conditions_.emplace_back(group.where, group.location, columns, file);
    members_.push_back({group.attribute, group.name, group.overlapping, {}});

    auto attribute = std::find_if(attributes_.begin(), attributes_.end(),
                                  [&](const Attribute& a) { return a.name == group.attribute; });
    if (attribute == attributes_.end())
      attribute = attributes_.insert(attribute, {group.attribute, group.overlapping, {}});
    if (attribute->overlapping != group.overlapping)
      throw InputError(group.location, "some groups of attribute " + quote(group.attribute) +
                                           " are marked overlapping and some are not; mark all or none");
    attribute->groups.push_back(i);
  }
}

void GroupBuilder::add(const RowValues& row, const Location& place) {
  for (std::size_t i = 0; i < conditions_.size(); ++i)
    members_[i].member.push_back(conditions_[i].holds(row) ? 1 : 0);
  for (const Attribute& attribute : attributes_)
    if (!attribute.overlapping) check_partition(attribute, place);
}

void GroupBuilder::check_partition(const Attribute& attribute, const Location& place) const {
  const GroupOptions* home = nullptr;
  for (std::size_t i : attribute.groups) {
    if (members_[i].member.back() == 0) continue;
    if (home)
      throw InputError(
          place, "the row is in two groups of attribute " + quote(attribute.name) + ", " + quote(home->name) +
                     " (" + home->location.str() + ") and " + quote(options_[i].name) + " (" +
                     options_[i].location.str() +
                     "); make their conditions exclude each other, or mark the groups overlapping");
    home = &options_[i];
  }
  if (home) return;
  std::string names;
  for (std::size_t i : attribute.groups)
    names += (names.empty() ? "" : ", ") + quote(options_[i].name) + " (" + options_[i].location.str() + ")";
  throw InputError(place, "the row is in no group of attribute " + quote(attribute.name) + ", which has " +
                              names + "; add a group for such rows, or mark the groups overlapping");
}

std::vector<GroupMembers> GroupBuilder::finish() && {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const auto& member = members_[i].member;
    if (std::find(member.begin(), member.end(), 1) == member.end())
      throw InputError(options_[i].location, "group " + quote(options_[i].name) + " (" + options_[i].where +
                                                 ") has no rows in " + file_ +
                                                 "; correct the condition or remove it");
  }
  return std::move(members_);
}

}  // namespace seldon::table
