// Flows over HTTP (docs/http_api.md):
//
//   POST /v1/flows/<flow>/executions           {"name": …, "input": {…}} → 201 {"flow", "name", "is_new"}
//   GET  /v1/flows/<flow>/executions/<name>    the execution
//
// With the token of an `http` trigger of that flow: Authorization: Bearer <token>. Thread safe.
#pragma once

#include "app/app.h"
#include "app/flows/service.h"
#include "http/message.h"

namespace shoplake::app {

inline constexpr std::string_view kFlowApi = "/v1/flows/";

class FlowApi {
 public:
  FlowApi(App& app, FlowService& service) : app_(app), service_(service) {}  // both outlive it
  http::Response respond(const http::Request& request);

 private:
  http::Response start(const http::Request& request, const std::string& flow);
  http::Response show(const std::string& flow, const std::string& name);
  const Trigger* trigger_of(const http::Request& request, const std::string& flow) const;

  App& app_;
  FlowService& service_;
};

}  // namespace shoplake::app
