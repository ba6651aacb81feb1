// Publishing what a run has made, behind its computing: a thread of its own makes the files of finished tables durable
// and commits them, so that what is downstream is computed meanwhile. All that waits for it at one time is published
// together, with one commit: the slower the disk, the fewer the commits. What is handed over earlier is published
// earlier or in the same commit, so hand over in graph order.
//
// Crash: a table is in the lake as it was before or as it is after its commit, never anything between.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/session.h"
#include "model/lake.h"

namespace shoplake::model {

// A table that Lake::write_table() gave, or a view that Lake::show_view() made.
struct Publication {
  std::optional<UnpublishedTable> table;
  RelationName view;
  std::string view_sql;
  catalog::Properties view_properties;
};

class Publisher {
 public:
  // Both are called from the publisher's thread, holding no lock of its own. `wanted` is asked before an attempt: no,
  // if what the thing was made from could not be published. `done` is told of every id, in the order of handing over;
  // what was not wanted counts as ok.
  using Wanted = std::function<bool(const std::string& id)>;
  using Done = std::function<void(const std::string& id, Result<void> outcome)>;

  // Whether to try a publication again that has failed so many times; may take the time that the wait before it is to
  // take.
  using TryAgain = std::function<bool(const std::string& id, const base::Error& error, int failures)>;

  Publisher(Lake& lake, std::unique_ptr<engine::Session> session, Wanted wanted, Done done, TryAgain try_again);
  ~Publisher();  // after everything handed over has been published
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void hand_over(std::string id, Publication publication);  // any thread; does not wait

 private:
  struct Item {
    std::string id;
    Publication publication;
  };
  void work();
  void publish(std::vector<Item>& items);
  Result<void> publish_alone(Item& item);
  Result<void> publish_once(Publication& publication);

  Lake& lake_;
  std::unique_ptr<engine::Session> session_;
  Wanted wanted_;
  Done done_;
  TryAgain try_again_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> waiting_;
  bool ending_ = false;
  std::jthread thread_;
};

}  // namespace shoplake::model
