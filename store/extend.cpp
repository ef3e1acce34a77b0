#include "store/extend.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.h"

namespace seldon::store {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds)
    throw InputError("the store cannot be extended: " + what +
                     "; an extension keeps everything that is there and adds to it");
}

/// Position of `value` in `list`, or the list's size.
template <class T, class Projection = std::identity>
std::uint32_t position(const std::vector<T>& list, const auto& value, Projection projection = {}) {
  return static_cast<std::uint32_t>(std::distance(list.begin(), std::ranges::find(list, value, projection)));
}

std::uint32_t model_position(const Header& header, const std::string& name) {
  return position(header.models, name, &ModelHeader::name);
}

void require_kept(const Header& held, const Header& wanted) {
  require(wanted.seed == held.seed, "the seed has changed");
  require(wanted.total_rows == held.total_rows, "the data have another number of rows");
  require(wanted.constraints == held.constraints, "the constraints have changed");
  require(wanted.n_trials >= held.n_trials, "it holds " + std::to_string(held.n_trials) +
                                                " trials, and only " + std::to_string(wanted.n_trials) +
                                                " are wanted");
  for (std::size_t i = 0; i < held.data_fracs.size(); ++i) {
    const auto fraction = position(wanted.data_fracs, held.data_fracs[i]);
    require(fraction < wanted.data_fracs.size(),
            "the data fraction " + text_of(held.data_fracs[i]) + " is no longer wanted");
    require(wanted.rows[fraction] == held.rows[i],
            "the data fraction " + text_of(held.data_fracs[i]) + " has another number of rows");
  }
  for (const ModelHeader& model : held.models) {
    const auto place = model_position(wanted, model.name);
    require(place < wanted.models.size(), "the model '" + model.name + "' is no longer wanted");
    require(wanted.models[place] == model, "the records of model '" + model.name + "' look different");
  }
}

void copy_rows(const File& from, Place source, File& to, Place target, std::uint64_t rows) {
  constexpr std::uint64_t block_bytes = 1 << 20;
  std::vector<std::byte> block(std::min(block_bytes, rows * source.row_bytes));
  for (std::uint64_t done = 0; done < rows * source.row_bytes; done += block.size()) {
    const auto part =
        std::span(block).first(std::min<std::uint64_t>(block.size(), rows * source.row_bytes - done));
    from.read(source.offset + done, part);
    to.write(target.offset + done, part);
  }
}

Place from_row(Place place, std::uint64_t row) {
  return {place.offset + row * place.row_bytes, place.row_bytes};
}

}  // namespace

bool is_larger(const Header& wanted, const Header& held) {
  return wanted.n_trials > held.n_trials || wanted.data_fracs.size() > held.data_fracs.size() ||
         wanted.models.size() > held.models.size();
}

Header extended(const Header& held, const Header& wanted) {
  require_kept(held, wanted);
  Header header = wanted;
  header.numerics = held.numerics;
  header.packs.clear();
  for (Pack pack : held.packs) {
    pack.model = model_position(wanted, held.models[pack.model].name);
    pack.fraction = position(wanted.data_fracs, held.data_fracs[pack.fraction]);
    header.packs.push_back(pack);
  }
  for (Pack pack : wanted.packs) {
    const bool known = model_position(held, wanted.models[pack.model].name) < held.models.size() &&
                       position(held.data_fracs, wanted.data_fracs[pack.fraction]) < held.data_fracs.size();
    const std::uint32_t first_new = known ? held.n_trials : 0;
    const std::uint32_t end = pack.first_trial + pack.width;
    if (end <= first_new) continue;
    pack.first_trial = std::max(pack.first_trial, first_new);
    pack.width = end - pack.first_trial;
    header.packs.push_back(pack);
  }
  return header;
}

void copy_cells(const File& from, const Schema& from_schema, File& to, const Schema& to_schema) {
  const Header& held = from_schema.header;
  for (std::uint32_t model = 0; model < held.models.size(); ++model) {
    const ModelPlaces& sources = from_schema.places[model];
    const std::uint32_t new_model = model_position(to_schema.header, held.models[model].name);
    const ModelPlaces& targets = to_schema.places[new_model];
    for (std::uint32_t fraction = 0; fraction < held.data_fracs.size(); ++fraction) {
      const std::uint32_t new_fraction = position(to_schema.header.data_fracs, held.data_fracs[fraction]);
      const auto copy = [&](const Place& source, const Place& target) {
        copy_rows(from, from_row(source, from_schema.row({0, model, fraction, 0})), to,
                  from_row(target, to_schema.row({0, new_model, new_fraction, 0})), held.n_trials);
      };
      copy(sources.cells, targets.cells);
      copy(sources.state, targets.state);
      copy(sources.runs, targets.runs);
      for (std::size_t i = 0; i < sources.arrays.size(); ++i) copy(sources.arrays[i], targets.arrays[i]);
    }
  }
}

}  // namespace seldon::store
