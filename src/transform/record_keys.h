// RecordKeys: the keys of the records of a load, to find a key that comes again. Keys are kept as 128 bits of their
// SHA-256. Belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <unordered_set>

namespace shoplake::transform {

class RecordKeys {
 public:
  // About 64 bytes of memory each.
  static constexpr std::size_t kKeysMax = 4'000'000;

  enum class Outcome { added, known, full };
  Outcome add(std::string_view key);

 private:
  using Digest = std::array<std::uint64_t, 2>;
  struct Hash {
    std::size_t operator()(const Digest& digest) const { return digest[0]; }
  };
  std::unordered_set<Digest, Hash> keys_;
};

}  // namespace shoplake::transform
