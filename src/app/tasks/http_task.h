// `http:invoke`: a request to a server of the web.
//
//   Parameters {"ApiEndpoint": "https://api.example.com/v1/orders", "Method": "POST",
//               "Authentication": {"ConnectionArn": "arn:aws:events:…:connection/crm/…"},
//               "Headers": {"Accept": "application/json"}, "QueryParameters": {"tag": ["a", "b"]},
//               "RequestBody": {…}, "Transform": {"RequestBodyEncoding": "URL_ENCODED",
//               "RequestEncodingOptions": {"ArrayFormat": "REPEAT"}}}
//   output     {"Headers": {"content-type": ["application/json"], …}, "ResponseBody": …, "StatusCode": 200,
//               "StatusText": "OK"}
//
// A body of JSON is given as JSON, any other as text. http:// is only for this machine. Redirects are not followed:
// what authorizes goes to the address that the definition names, and nowhere else. Wherever a secret of the connection
// comes back, in an answer or an error, it becomes "***".
//
// Errors, as Step Functions has them: States.Http.StatusCode.<n> for any answer that is not 2xx (the cause is its
// body), States.Http.Socket (no connection, cut, not done in 60 s), States.DataLimitExceeded (an answer of more than
// 256 KiB), States.Runtime (parameters; an answer that is no text), Events.ConnectionResource.ResourceNotFound and
// .AccessDenied (the connection is not for that host). Source:
// https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
//
// Begun again after a crash are GET, HEAD, OPTIONS, PUT and DELETE, which may be sent twice (RFC 9110 section 9.2.2).
// Else the state fails with States.TaskFailed, and its Retry decides.
#pragma once

#include <memory>
#include <vector>

#include "app/connection_settings.h"
#include "flow/task.h"
#include "http/transport.h"

namespace shoplake::app {

class HttpTask : public flow::Task {
 public:
  HttpTask(std::vector<Connection> connections, std::unique_ptr<http::Transport> transport)
      : connections_(std::move(connections)), transport_(std::move(transport)) {}
  bool is_resumable() const override { return true; }  // of a single request: its method
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  std::vector<Connection> connections_;
  std::unique_ptr<http::Transport> transport_;
};

}  // namespace shoplake::app
