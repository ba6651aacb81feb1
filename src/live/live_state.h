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
  Result<void> load(std::stop_token stop);
  Result<Step> step(std::stop_token stop);
  Result<Step> micro_step(std::stop_token stop);
  Result<Step> bulk_step(std::stop_token stop);
  // Whether the next step is a bulk one.
  bool takes_bulk() const;
  std::uint64_t backlog() const { return options.log == nullptr ? 0 : options.log->end() - position; }
  // Gives up the lock, has the project bring the live models up, takes the lock again.
  Result<void> bring_models_up(std::stop_token stop);
  void committed(Step& step, const Writer::Outcome& outcome, wal::Offset next,
                 const std::map<std::int64_t, std::uint64_t>& received, std::int64_t begin_micros);
  Result<wal::Offset> read_position();
  void loop(std::stop_token stop);
  void maintain_quietly(std::stop_token stop);
  Result<void> maintain(const std::function<Result<void>()>& work);

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
  bool models_wait = false;    // the models lack events that are in processed; they are not in memory
  bool models_failed = false;  // bringing them up did not work: not again until the lake is read anew
  std::jthread thread;
};

}  // namespace shoplake::live
