// What a Live holds. Internal to live/.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "live/compaction.h"
#include "live/lake_lock.h"
#include "live/live.h"
#include "live/status_board.h"
#include "live/writer.h"

namespace shoplake::live {

struct Live::State {
  explicit State(LiveOptions given)
      : options(std::move(given)),
        board(*options.env, options.metrics),
        writer(options, board),
        compactor(options, board, writer) {}

  // Takes the lock and reads what is kept in memory, if that is not so already.
  Result<void> prepare(std::stop_token stop);
  Result<Step> step(std::stop_token stop);
  Result<wal::Offset> read_position();
  void loop(std::stop_token stop);
  void maintain_quietly(std::stop_token stop);

  LiveOptions options;
  StatusBoard board;
  std::map<std::string, std::string, std::less<>> streams;  // to datasets
  std::unique_ptr<LakeLock> lock;
  std::unique_ptr<io::Database> control_plane;
  Writer writer;
  Compactor compactor;
  wal::Offset position = 0;
  std::atomic<wal::Offset> consumed = 0;
  bool tried_build = false;
  std::jthread thread;
};

}  // namespace shoplake::live
