#include "transform/input_bytes.h"

namespace shoplake::transform {

base::Result<std::size_t> InputBytes::read(char* out, std::size_t size) {
  if (!started_) {
    started_ = true;
    char magic[2];
    const std::size_t got = SHOPLAKE_TRY(file_.read(0, sizeof(magic), magic));
    if (io::is_gzip(std::string_view(magic, got)))
      inflater_.emplace(file_, name_);
  }
  std::size_t total = 0;
  while (total < size && !at_end_) {
    std::size_t got = 0;
    if (inflater_) {
      got = SHOPLAKE_TRY(inflater_->read(out + total, size - total));
    } else {
      got = SHOPLAKE_TRY(file_.read(offset_, size - total, out + total));
      offset_ += got;
    }
    at_end_ = got == 0;
    total += got;
  }
  return total;
}

}  // namespace shoplake::transform
