// A query string and, behind a line feed, values of the headers that the server reads itself.

#include "http/message.h"

#include "base/result.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_http_message(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  http::Request request;
  request.query = bytes.substr(0, end);
  request.path = request.query;
  const std::string header(end == std::string_view::npos ? std::string_view() : bytes.substr(end + 1));
  for (const char* name : {"accept-encoding", "if-none-match"}) {
    request.headers.emplace_back(name, header);
  }
  for (const auto& [name, value] : request.parameters()) {
    SHOPLAKE_CHECK(name.size() + value.size() <= request.query.size());
    SHOPLAKE_CHECK(request.parameter(name).has_value());
  }
  SHOPLAKE_CHECK(http::percent_decode(request.path).size() <= request.path.size());
  http::accepts_gzip(request);
  http::matches_etag(request, "\"abc\"");
  return 0;
}

}  // namespace shoplake::fuzz
