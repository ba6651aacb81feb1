#include "transform/record_keys.h"

#include "base/digest.h"

namespace shoplake::transform {

RecordKeys::Outcome RecordKeys::add(std::string_view key) {
  const std::array<std::uint8_t, 32> bytes = base::sha256(key);
  Digest digest;
  std::memcpy(digest.data(), bytes.data(), sizeof(digest));
  if (keys_.contains(digest))
    return Outcome::known;
  if (keys_.size() >= kKeysMax)
    return Outcome::full;
  keys_.insert(digest);
  return Outcome::added;
}

}  // namespace shoplake::transform
