// Drift: what records have and the contract does not name, counted for the report of a load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shoplake::transform {

// Fields that the contract does not name, by path and type of value.
class Drift {
 public:
  // Names beyond this many are only counted.
  static constexpr std::size_t kNamesMax = 1'000;

  void add(std::string_view path, std::string_view type, std::int64_t count = 1);
  struct Entry {
    std::string path;
    std::string type;
    std::int64_t count = 0;
  };
  std::vector<Entry> entries() const;  // by path, then type
  std::int64_t unlisted() const { return unlisted_; }

 private:
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_;
  std::int64_t unlisted_ = 0;
};

}  // namespace shoplake::transform
