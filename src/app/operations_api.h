// The JSON API of the pages that show how the house itself is doing. docs/http_api.md describes the answers.
//
//   GET /api/pipeline                 stages with their gauges; flows with their states and last executions
//   GET /api/quality                  rules by table: last outcome, what it was before
//   GET /api/alarms                   alarms, changes of states, notifications
//   GET /api/cost?from=&to=           what it would have cost
//
// Thread safe, if the Lake is.
#pragma once

#include "app/app.h"
#include "base/metrics.h"
#include "http/message.h"
#include "serve/dashboard.h"

namespace shoplake::app {

class OperationsApi {
 public:
  // All outlive it.
  OperationsApi(App& app, base::Metrics& metrics, serve::Lake& lake) : app_(app), metrics_(metrics), lake_(lake) {}

  http::Response pipeline(const http::Request& request);
  http::Response quality(const http::Request& request);
  http::Response alarms(const http::Request& request);
  http::Response cost(const http::Request& request);

 private:
  App& app_;
  base::Metrics& metrics_;
  serve::Lake& lake_;
};

}  // namespace shoplake::app
