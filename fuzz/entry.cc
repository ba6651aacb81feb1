// The entry point that libFuzzer calls, for the target that CMake names.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return shoplake::fuzz::FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
}
