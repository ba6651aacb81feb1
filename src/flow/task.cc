#include "flow/task.h"

#include <utility>

namespace shoplake::flow {

void TaskRegistry::add(std::string resource, std::shared_ptr<Task> task) {
  tasks_[std::move(resource)] = std::move(task);
}

Task* TaskRegistry::find(std::string_view resource) const {
  if (const auto exact = tasks_.find(resource); exact != tasks_.end())
    return exact->second.get();
  Task* best = nullptr;
  std::size_t longest = 0;
  for (const auto& [name, task] : tasks_) {
    if (name.ends_with('*') && name.size() > longest &&
        resource.starts_with(std::string_view(name).substr(0, name.size() - 1))) {
      best = task.get();
      longest = name.size();
    }
  }
  return best;
}

}  // namespace shoplake::flow
