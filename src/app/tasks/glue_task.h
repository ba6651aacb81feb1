// AWS Glue's part of a flow, done by shoplake:
//
//   glue:startJobRun.sync       Parameters {"JobName": "transaction_etl", "Arguments": {"--select": …}}; output the
//                               JobRun. A job is a selection of the dbt project (kJobs), or `dbt`, whose arguments say
//                               what: --command (build, run, test, seed, snapshot), --select, --exclude, --vars,
//                               --full_refresh, --target; each selection as on the command line.
//   aws-sdk:glue:startCrawler   Parameters {"Name": "transactions_crawler"}; the crawl is done when it returns
//   aws-sdk:glue:getCrawler     output {"Crawler": {"State": "READY", "LastCrawl": {"Status": "SUCCEEDED", …}, …}}
//
// A crawler `<name>_crawler` looks at raw/<name>, or at the zone of that name. The last crawl of each is kept in the
// control plane (table flow_crawls), so that getCrawler answers after a crash too.
//
// Errors as Glue has them: a failed job is States.TaskFailed with the JobRun as cause (JobRunState FAILED,
// ErrorMessage); Glue.InternalServiceException for what may go well the next time (disk, network, somebody was first);
// Glue.EntityNotFoundException for names that there are not.
#pragma once

#include <span>
#include <string_view>

#include "app/app.h"
#include "flow/task.h"

namespace shoplake::app {

struct EtlJob {
  std::string_view name;
  std::string_view select;
};
// The jobs of the shop, folders of dbt/models/shop, and of the web analytics.
std::span<const EtlJob> etl_jobs();

// Building twice is building once: resumable.
class GlueJobTask : public flow::Task {
 public:
  explicit GlueJobTask(App& app) : app_(app) {}  // outlives it
  bool is_resumable() const override { return true; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  App& app_;
};

class StartCrawlerTask : public flow::Task {
 public:
  explicit StartCrawlerTask(App& app) : app_(app) {}
  bool is_resumable() const override { return true; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  App& app_;
};

class GetCrawlerTask : public flow::Task {
 public:
  explicit GetCrawlerTask(App& app) : app_(app) {}
  bool is_resumable() const override { return true; }
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  App& app_;
};

}  // namespace shoplake::app
