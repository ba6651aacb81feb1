// What triggers remember in the control plane (docs/formats/flows.md): when each looked last, the objects that it has
// seen, and the batches of objects that it started flows with. A batch is durable before its execution is started, and
// the execution's name is the batch's: so each object starts a flow once, whatever dies when.
//
// Tables: flow_triggers, flow_trigger_objects. One thread at a time. Errors: those of io::Database.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/sqlite.h"

namespace shoplake::app {

// A content of an object, as a listing shows it.
struct ObjectVersion {
  std::uint64_t size_bytes = 0;
  std::int64_t modified_micros = 0;
  friend bool operator==(const ObjectVersion&, const ObjectVersion&) = default;
};

class TriggerStore {
 public:
  static base::Result<std::unique_ptr<TriggerStore>> open(const std::string& control_plane);

  // The time up to which the trigger's occasions were looked at; no value for one that is new.
  base::Result<std::optional<std::int64_t>> looked_until(const std::string& trigger);
  base::Result<void> set_looked_until(const std::string& trigger, std::int64_t micros);

  struct SeenObject {
    ObjectVersion version;
    std::int64_t batch = 0;  // 0: not in one yet
  };
  base::Result<std::map<std::string, SeenObject>> objects(const std::string& trigger);
  // In one transaction: new versions come without a batch; `gone` are forgotten unless they still wait for a batch.
  // `is_first`: they were there before the trigger was, and start nothing.
  base::Result<void> note_objects(const std::string& trigger, const std::map<std::string, ObjectVersion>& found,
                                  const std::vector<std::string>& gone, bool is_first, std::int64_t now_micros);

  // The object has another version that is no new content.
  base::Result<void> touch(const std::string& trigger, const std::string& object, const ObjectVersion& version);

  struct Batch {
    std::int64_t number = 0;
    std::vector<std::string> objects;
  };
  // Of at most `objects_max` objects that wait, by name. Nothing if none waits.
  base::Result<std::optional<Batch>> make_batch(const std::string& trigger, std::int64_t objects_max);
  // Batches whose execution may not have been started, oldest first.
  base::Result<std::vector<Batch>> open_batches(const std::string& trigger);
  base::Result<void> set_started(const std::string& trigger, std::int64_t batch);

 private:
  explicit TriggerStore(std::unique_ptr<io::Database> database) : database_(std::move(database)) {}
  std::unique_ptr<io::Database> database_;
};

}  // namespace shoplake::app
