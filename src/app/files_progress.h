// The progress of files that are worked on side by side, as one: bytes of all of them. Thread safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/progress.h"

namespace shoplake::app {

class FilesProgress {
 public:
  FilesProgress(base::Progress& target, std::string_view what, std::uint64_t total_bytes) : target_(target) {
    target_.begin(what, total_bytes, base::Progress::Unit::bytes);
  }
  ~FilesProgress() { target_.end(); }
  FilesProgress(const FilesProgress&) = delete;
  FilesProgress& operator=(const FilesProgress&) = delete;

  // One of them. Belongs to one thread.
  class File final : public base::Progress {
   public:
    explicit File(FilesProgress& all) : all_(all) {}
    void begin(std::string_view, std::uint64_t, Unit) override {}
    void update(std::uint64_t done) override {
      all_.target_.update(all_.done_ += done - done_);
      done_ = done;
    }
    void end() override {}

   private:
    FilesProgress& all_;
    std::uint64_t done_ = 0;
  };

 private:
  base::Progress& target_;
  std::atomic<std::uint64_t> done_ = 0;
};

}  // namespace shoplake::app
