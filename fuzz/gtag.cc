// The query and, behind a NUL, the body of a request to /g/collect.

#include "collect/ga4_collect.h"
#include "ga4_rows.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_gtag(std::string_view bytes) {
  const std::size_t separator = bytes.find('\0');
  const bool has_body = separator != std::string_view::npos;
  collect::Ga4Request request;
  request.method = has_body ? "POST" : "GET";
  request.path = "/g/collect";
  request.query = bytes.substr(0, separator);
  request.body = has_body ? bytes.substr(separator + 1) : std::string_view();
  request.received_at_micros = kReceivedAtMicros;
  const collect::Ga4Result result = collect::collect_ga4(request, {});
  check_rows(result, bytes.size());
  // A hit that is sent again makes as many rows.
  request.received_at_micros += 1'000'000;
  const collect::Ga4Result again = collect::collect_ga4(request, {});
  SHOPLAKE_CHECK(again.rows.size() == result.rows.size() && again.rejected.size() == result.rejected.size());
  return 0;
}

}  // namespace shoplake::fuzz
