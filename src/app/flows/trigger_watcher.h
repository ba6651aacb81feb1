// Looks for the occasions of triggers and starts their flows: objects that came, times that are due. Looked at again
// and again by the process that runs the flows; what it remembers is durable (trigger_store.h), so an occasion starts a
// flow once.
//
// Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/flows/operations.h"
#include "app/flows/trigger_store.h"
#include "app/flows/triggers.h"
#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

inline constexpr std::int64_t kBatchObjectsMax = 500;  // in one execution's input; more are further executions

struct TriggerWatcherOptions {
  io::Env* env = nullptr;
  std::string lake_root;
  std::string control_plane;
  std::vector<Trigger> triggers;
  // Whether an object whose time changed, but not its size, has the content that was loaded from it: a load puts the
  // copy that it has checked in the place of a dropped file, which is no new object. Nothing: not to be told yet.
  std::function<base::Result<std::optional<bool>>(const std::string& object, const ObjectVersion& version)> is_loaded;
  // New or changed objects have been noted; may be empty.
  std::function<void()> on_objects;
  // An execution of that flow, name and input is there afterwards, whether it was before or not.
  std::function<base::Result<void>(const StartFlow& request)> start;
};

class TriggerWatcher {
 public:
  // Starts what a process before this one had decided to start.
  static base::Result<std::unique_ptr<TriggerWatcher>> open(TriggerWatcherOptions options);

  // Notes objects that came; starts nothing. To be called before anything moves them.
  base::Result<void> note_objects();
  // The same, then starts what is due.
  base::Result<void> look();
  // When objects that were noted are due, if no further ones come: not to look before would be late.
  std::optional<std::int64_t> due_micros() const;

 private:
  struct Watched {
    Trigger trigger;
    std::map<std::string, TriggerStore::SeenObject> objects;  // as the store has them
    std::int64_t waiting = 0;                                 // of them: without a batch
    std::int64_t first_waiting_micros = 0, last_change_micros = 0;
  };
  explicit TriggerWatcher(TriggerWatcherOptions options) : options_(std::move(options)) {}

  base::Result<void> note_objects(Watched& watched);
  base::Result<void> pass_over_copies(Watched& watched, std::map<std::string, ObjectVersion>& found);
  base::Result<void> start_batches(Watched& watched);
  base::Result<void> start_batch(const Watched& watched, const TriggerStore::Batch& batch);
  base::Result<void> look_at_clock(const Watched& watched);
  base::Result<void> start_at(const Watched& watched, std::int64_t due_micros);
  base::Result<void> start(const Watched& watched, std::string name, const std::string& occasion_json,
                           std::string started_by);

  TriggerWatcherOptions options_;
  std::unique_ptr<TriggerStore> store_;
  std::vector<Watched> watched_;
  std::int64_t opened_micros_ = 0;
};

}  // namespace shoplake::app
