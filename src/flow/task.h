// What Task states do. A state machine names work by its Resource; a TaskRegistry says which Task does it. flow knows
// only this interface; the tasks that load, build, crawl and notify are made in app.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "flow/execution.h"
#include "flow/json.h"

namespace shoplake::flow {

struct TaskCall {
  std::string resource;
  const Json* input = nullptr;
  std::string flow;       // the machine's name
  std::string execution;  // its name
  std::string state;
  // The same for the same start of the same state, also after a crash: what makes work idempotent.
  std::string id;
  bool is_resumed = false;  // a process that had begun it died
  std::stop_token stop;     // its outcome no longer counts: end soon
  std::function<void()> heartbeat;
};

class Task {
 public:
  virtual ~Task() = default;
  // Whether the work may be begun again under its id after a crash because doing it twice is doing it once. Else the
  // state fails with States.TaskFailed, and its Retry decides.
  virtual bool is_resumable() const = 0;
  // Whether it mostly waits for others, such as a nested execution: such calls take no place of those that work.
  virtual bool is_waiting() const { return false; }
  // On a thread of its own; several calls at once. Throws nothing.
  virtual TaskOutcome run(const TaskCall& call) = 0;
};

class TaskRegistry {
 public:
  // `resource` is a whole Resource, or its begin if it ends with '*'. The longest one that fits is taken.
  void add(std::string resource, std::shared_ptr<Task> task);
  Task* find(std::string_view resource) const;  // null: nobody does it

 private:
  std::map<std::string, std::shared_ptr<Task>, std::less<>> tasks_;
};

}  // namespace shoplake::flow
