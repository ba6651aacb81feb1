// A body of the Measurement Protocol, collected and validated.

#include <simdjson.h>

#include "collect/ga4_collect.h"
#include "ga4_rows.h"
#include "targets.h"

namespace shoplake::fuzz {

int fuzz_measurement(std::string_view bytes) {
  collect::Ga4Request request;
  request.method = "POST";
  request.path = "/mp/collect";
  request.query = "measurement_id=G-FUZZ&api_secret=s";
  request.body = bytes;
  request.received_at_micros = kReceivedAtMicros;
  check_rows(collect::collect_ga4(request, {}), bytes.size());

  request.path = "/debug/mp/collect";
  const collect::Ga4Result validated = collect::collect_ga4(request, {});
  SHOPLAKE_CHECK(validated.rows.empty() && validated.rejected.empty());
  simdjson::dom::parser parser;
  simdjson::dom::array messages;
  SHOPLAKE_CHECK(parser.parse(validated.body)["validationMessages"].get(messages) == simdjson::SUCCESS);
  SHOPLAKE_CHECK(messages.size() == validated.messages.size());
  return 0;
}

}  // namespace shoplake::fuzz
