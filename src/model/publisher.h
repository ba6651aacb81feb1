// Publishing what a run has made, behind its computing: a thread of its own makes the files of finished tables durable
// and commits them, so that what is downstream is computed meanwhile. What waits for it at the same time is published
// together, with one commit. What is handed over earlier is published earlier or in the same commit.
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
  // Of the publication that was handed over with this id. Called from the publisher's thread, in the order of handing
  // over, holding no lock of its own.
  using Done = std::function<void(const std::string& id, Result<void> outcome)>;

  Publisher(Lake& lake, std::unique_ptr<engine::Session> session, Done done);
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
  Result<void> publish_alone(Publication& publication);

  Lake& lake_;
  std::unique_ptr<engine::Session> session_;
  Done done_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> waiting_;
  bool ending_ = false;
  std::jthread thread_;
};

}  // namespace shoplake::model
