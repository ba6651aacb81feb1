#include "app/flows/task_registry.h"

#include <memory>

#include "app/tasks/athena_task.h"
#include "app/tasks/command_task.h"
#include "app/tasks/functions.h"
#include "app/tasks/glue_task.h"
#include "app/tasks/http_task.h"
#include "app/tasks/lambda_task.h"

namespace shoplake::app {

flow::TaskRegistry make_task_registry(App& app, Publisher& publisher, Executions& executions) {
  using Answer = StartExecutionTask::Answer;
  flow::TaskRegistry registry;
  const auto lambda = std::make_shared<LambdaTask>(flow_functions(app));
  registry.add("arn:aws:states:::lambda:invoke", lambda);
  registry.add("arn:aws:lambda:*", lambda);
  registry.add("arn:aws:states:::glue:startJobRun.sync", std::make_shared<GlueJobTask>(app));
  registry.add("arn:aws:states:::aws-sdk:glue:startCrawler", std::make_shared<StartCrawlerTask>(app));
  registry.add("arn:aws:states:::aws-sdk:glue:getCrawler", std::make_shared<GetCrawlerTask>(app));
  registry.add("arn:aws:states:::athena:startQueryExecution.sync", std::make_shared<AthenaQueryTask>(app));
  registry.add("arn:aws:states:::sns:publish", std::make_shared<SnsPublishTask>(publisher));
  registry.add("arn:aws:states:::states:startExecution",
               std::make_shared<StartExecutionTask>(executions, Answer::started));
  registry.add("arn:aws:states:::states:startExecution.sync",
               std::make_shared<StartExecutionTask>(executions, Answer::text));
  registry.add("arn:aws:states:::states:startExecution.sync:2",
               std::make_shared<StartExecutionTask>(executions, Answer::json));
  registry.add("arn:aws:states:::http:invoke",
               std::make_shared<HttpTask>(app.home().connections, http::make_transport(), app.env()));
  registry.add("arn:aws:states:::shoplake:command", std::make_shared<CommandTask>(app.home().directory));
  return registry;
}

}  // namespace shoplake::app
