#include "transform/drift.h"

namespace shoplake::transform {

void Drift::add(std::string_view path, std::string_view type, std::int64_t count) {
  const std::pair<std::string, std::string> key(path, type);
  const auto known = counts_.find(key);
  if (known != counts_.end()) {
    known->second += count;
  } else if (counts_.size() < kNamesMax) {
    counts_.emplace(key, count);
  } else {
    unlisted_ += count;
  }
}

std::vector<Drift::Entry> Drift::entries() const {
  std::vector<Entry> result;
  for (const auto& [key, count] : counts_)
    result.push_back({key.first, key.second, count});
  return result;
}

}  // namespace shoplake::transform
