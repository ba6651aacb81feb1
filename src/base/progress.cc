#include "base/progress.h"

namespace shoplake::base {

Progress& no_progress() {
  class Silent final : public Progress {
    void begin(std::string_view, std::uint64_t, Unit) override {}
    void update(std::uint64_t) override {}
    void end() override {}
  };
  static Silent silent;
  return silent;
}

}  // namespace shoplake::base
