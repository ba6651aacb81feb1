#include "io/inflate.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <isa-l/igzip_lib.h>

namespace shoplake::io {

namespace {

using base::ErrorKind;
using base::make_error;

constexpr std::size_t kReadBytes = 256 << 10;

}  // namespace

bool is_gzip(std::string_view begin) { return begin.size() >= 2 && begin[0] == '\x1f' && begin[1] == '\x8b'; }

struct Inflater::State {
  const RandomAccessFile& file;
  std::string name;
  std::vector<char> input = std::vector<char>(kReadBytes);
  std::uint64_t offset = 0;  // in the file, of the next read
  bool at_end = false;       // of the file
  bool in_member = false;
  inflate_state inflate = {};

  base::Result<void> refill() {
    const std::size_t got = SHOPLAKE_TRY(file.read(offset, input.size(), input.data()));
    offset += got;
    at_end = got == 0;
    inflate.next_in = reinterpret_cast<std::uint8_t*>(input.data());
    inflate.avail_in = static_cast<std::uint32_t>(got);
    return {};
  }

  base::Error corrupt(std::string_view what) const {
    return make_error(ErrorKind::input, "io.gzip_corrupt",
                      fmt::format("{}: {} (before byte {})", name, what, offset - inflate.avail_in),
                      "Get the file again from where it came from; `gzip -t` tells whether it is whole.");
  }

  // Moves to the next member. False at the end of the data.
  base::Result<bool> begin_member(bool first) {
    while (true) {
      if (inflate.avail_in == 0) {
        SHOPLAKE_TRY(refill());
        if (at_end)
          return false;
      }
      if (!first && *inflate.next_in == 0) {  // padding by tar and tapes
        ++inflate.next_in;
        --inflate.avail_in;
        continue;
      }
      break;
    }
    if (*inflate.next_in != 0x1f)
      return corrupt(first ? "this is no gzip data"
                           : "something other than gzip data follows the end of the gzip data");
    std::uint8_t* const next_in = inflate.next_in;
    const std::uint32_t avail_in = inflate.avail_in;
    isal_inflate_reset(&inflate);
    inflate.next_in = next_in;
    inflate.avail_in = avail_in;
    inflate.crc_flag = ISAL_GZIP;
    in_member = true;
    return true;
  }
};

Inflater::Inflater(const RandomAccessFile& file, std::string_view name)
    : state_(new State{.file = file, .name = std::string(name)}) {
  isal_inflate_init(&state_->inflate);
  state_->inflate.avail_in = 0;
}

Inflater::~Inflater() = default;

std::uint64_t Inflater::bytes_read() const { return state_->offset - state_->inflate.avail_in; }

base::Result<std::size_t> Inflater::read(char* out, std::size_t size) {
  State& state = *state_;
  size = std::min<std::size_t>(size, 1U << 30);
  state.inflate.next_out = reinterpret_cast<std::uint8_t*>(out);
  state.inflate.avail_out = static_cast<std::uint32_t>(size);
  while (state.inflate.avail_out > 0) {
    if (!state.in_member && !SHOPLAKE_TRY(state.begin_member(state.offset == 0)))
      break;
    if (state.inflate.avail_in == 0 && !state.at_end)
      SHOPLAKE_TRY(state.refill());
    const std::uint32_t in_before = state.inflate.avail_in;
    const std::uint32_t out_before = state.inflate.avail_out;
    const int code = isal_inflate(&state.inflate);
    if (code == ISAL_INCORRECT_CHECKSUM)
      return state.corrupt("the checksum is wrong");
    if (code < 0)
      return state.corrupt("the gzip data is damaged");
    if (state.inflate.block_state == ISAL_BLOCK_FINISH) {
      state.in_member = false;
      continue;
    }
    const bool moved = state.inflate.avail_in != in_before || state.inflate.avail_out != out_before;
    if (state.at_end && !moved) {
      return make_error(ErrorKind::input, "io.gzip_truncated",
                        fmt::format("{}: the gzip data is cut off after {} bytes", state.name, state.offset),
                        "The file was not copied or uploaded completely; get it again.");
    }
  }
  return size - state.inflate.avail_out;
}

}  // namespace shoplake::io
