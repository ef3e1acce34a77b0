#pragma once
// A store with room for more trials, fractions or models. Internal to the store room.

#include "store/schema.h"
#include "store/store.h"

namespace seldon::store {

/// Whether `wanted` has more trials, fractions or models than `held`.
bool is_larger(const Header& wanted, const Header& held);

/// The header of a store that holds what `held` describes and has room for what `wanted` does. The packs of
/// `held` come first, as they are; then those of `wanted`, less the trials that are in packs of `held`
/// already. InputError where `wanted` lacks or changes something of `held`.
Header extended(const Header& held, const Header& wanted);

/// Copies every cell, with its state and its run, to its place in a store of extended(from.header, ...).
void copy_cells(const File& from, const Schema& from_schema, File& to, const Schema& to_schema);

}  // namespace seldon::store
