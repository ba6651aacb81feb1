#include "live/spilled_bytes.h"

#include <string_view>
#include <utility>

#include "base/log.h"

namespace shoplake::live {
namespace {

// Fewer are not worth a file.
constexpr std::size_t kSpilledMin = 64 << 10;

}  // namespace

SpilledBytes::SpilledBytes(const SpillPlace& place, std::vector<std::uint8_t> bytes)
    : size_(bytes.size()), bytes_(std::move(bytes)) {
  if (place.env == nullptr || place.directory.empty() || size_ < kSpilledMin)
    return;
  const auto spilled = spill(place);
  if (!spilled.ok()) {
    file_.reset();
    base::log::warning("live.not_spilled", {{"bytes", size_},
                                            {"error", spilled.error().message},
                                            {"advice", "They stay in memory; free space in " + place.directory + "."}});
    return;
  }
  bytes_ = std::vector<std::uint8_t>();
}

// The name goes before the bytes come: a crash in between leaves an empty file at most.
Result<void> SpilledBytes::spill(const SpillPlace& place) {
  const std::string path = io::join_path(place.directory, place.env->new_uuid() + ".spilled");
  const auto writer = SHOPLAKE_TRY(place.env->create_file(path));
  auto opened = place.env->open_file(path);
  const auto removed = place.env->remove_file(path);
  file_ = SHOPLAKE_TRY(std::move(opened));
  SHOPLAKE_TRY(removed);
  SHOPLAKE_TRY(writer->append(std::string_view(reinterpret_cast<const char*>(bytes_.data()), bytes_.size())));
  return writer->close();
}

Result<std::span<const std::uint8_t>> SpilledBytes::read(std::size_t offset, std::size_t size,
                                                         std::vector<std::uint8_t>& buffer) const {
  SHOPLAKE_CHECK(offset <= size_ && size <= size_ - offset);
  if (!file_)
    return std::span<const std::uint8_t>(bytes_).subspan(offset, size);
  if (buffer.size() < size)
    buffer.resize(size);
  const std::size_t count = SHOPLAKE_TRY(file_->read(offset, size, reinterpret_cast<char*>(buffer.data())));
  if (count < size)
    return base::make_error(base::ErrorKind::environment, "io.read",
                            "a spilled file is shorter than what was written to it");
  return std::span<const std::uint8_t>(buffer).first(size);
}

}  // namespace shoplake::live
