// A request with a signature: lines of method, path, query, then headers as "name: value", an empty line, the body.

#include "collect/sigv4.h"

#include <algorithm>

#include "base/result.h"
#include "targets.h"

namespace shoplake::fuzz {

namespace {

std::string_view take_line(std::string_view& bytes) {
  const std::size_t end = std::min(bytes.find('\n'), bytes.size());
  const std::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(std::min(end + 1, bytes.size()));
  return line;
}

}  // namespace

int fuzz_sigv4(std::string_view bytes) {
  constexpr std::int64_t kNow = 1'440'938'160'000'000;  // 2015-08-30T12:36:00Z, as the seeds are signed
  static const collect::SignatureVerifier verifier({{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}},
                                                   "firehose");
  http::Request request;
  request.method = take_line(bytes);
  request.path = take_line(bytes);
  request.query = take_line(bytes);
  while (!bytes.empty() && request.headers.size() < 64) {
    const std::string_view line = take_line(bytes);
    if (line.empty()) {
      break;
    }
    const std::size_t colon = std::min(line.find(": "), line.size());
    request.headers.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
  }
  request.body = bytes;
  const auto error = verifier.verify(request, kNow);
  if (error) {
    SHOPLAKE_CHECK(error->status >= 400 && error->status < 500 && !error->type.empty());
  }
  // Nobody is let in by the signature of another body.
  request.body.push_back('x');
  if (!error) {
    SHOPLAKE_CHECK(verifier.verify(request, kNow).has_value());
  }
  return 0;
}

}  // namespace shoplake::fuzz
