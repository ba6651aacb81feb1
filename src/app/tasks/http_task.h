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
// or its token comes back, in an answer or an error, it becomes "***".
//
// A connection with OAuth client credentials is given a token (oauth_tokens.h). An answer 401 or 407 says that it is no
// longer accepted and that nothing was done: the request is sent once more with a new one.
//
// Errors, as Step Functions has them: States.Http.StatusCode.<n> for any answer that is not 2xx (the cause is its
// body), States.Http.Socket (no connection, cut, not done in 60 s), States.DataLimitExceeded (an answer of more than
// 256 KiB), States.Runtime (parameters; an answer that is no text), Events.ConnectionResource.ResourceNotFound,
// .AccessDenied (the connection is not for that host) and .InvalidConnectionState (it gets no token). An authorization
// endpoint that is not there is States.Http.Socket, too, one that answers 429 or 5xx States.Http.StatusCode.503.
// Source: https://docs.aws.amazon.com/step-functions/latest/dg/call-https-apis.html
//
// Begun again after a crash are GET, HEAD, OPTIONS, PUT and DELETE, which may be sent twice (RFC 9110 section 9.2.2).
// Else the state fails with States.TaskFailed, and its Retry decides.
#pragma once

#include <memory>
#include <vector>

#include "app/connection_settings.h"
#include "app/tasks/http_request.h"
#include "app/tasks/oauth_tokens.h"
#include "flow/task.h"
#include "http/transport.h"

namespace shoplake::app {

class HttpTask : public flow::Task {
 public:
  // The clock, which outlives it, is for tokens.
  HttpTask(std::vector<Connection> connections, std::unique_ptr<http::Transport> transport, io::Env& clock)
      : connections_(std::move(connections)), transport_(std::move(transport)), tokens_(*transport_, clock) {}
  bool is_resumable() const override { return true; }  // of a single request: its method
  flow::TaskOutcome run(const flow::TaskCall& call) override;

 private:
  flow::TaskOutcome call_with_token(const flow::TaskCall& call, const Connection& connection, HttpRequest request);
  base::Result<http::Answer> send(const flow::TaskCall& call, const Connection& connection, const HttpRequest& request);

  std::vector<Connection> connections_;
  std::unique_ptr<http::Transport> transport_;
  OAuthTokens tokens_;
};

}  // namespace shoplake::app
