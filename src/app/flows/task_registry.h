// The resources that shoplake does, each bound to its task: the explicit list of docs/flows.md.
#pragma once

#include "app/app.h"
#include "app/tasks/execution_task.h"
#include "app/tasks/sns_task.h"
#include "flow/task.h"

namespace shoplake::app {

// All outlive the registry.
flow::TaskRegistry make_task_registry(App& app, Publisher& publisher, Executions& executions);

}  // namespace shoplake::app
