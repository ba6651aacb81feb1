#include "ga4_rows.h"

#include <simdjson.h>

#include <algorithm>

#include "base/result.h"

namespace shoplake::fuzz {

void check_rows(const collect::Ga4Result& result, std::size_t request_bytes) {
  namespace dom = simdjson::dom;
  SHOPLAKE_CHECK(result.rows.size() <= 3 * collect::kGa4EventsMax);
  SHOPLAKE_CHECK(result.status != 204 || !result.rows.empty() || !result.rejected.empty());
  dom::parser parser;
  for (const std::string& row : result.rows) {
    SHOPLAKE_CHECK(row.size() <= 16'384 + 64 * request_bytes);
    SHOPLAKE_CHECK(row.ends_with("}\n") && std::count(row.begin(), row.end(), '\n') == 1);
    dom::object object;
    SHOPLAKE_CHECK(parser.parse(row).get(object) == simdjson::SUCCESS);
    std::string_view date, timestamp, name;
    SHOPLAKE_CHECK(object["event_date"].get(date) == simdjson::SUCCESS && date.size() == 8);
    SHOPLAKE_CHECK(object["event_timestamp"].get(timestamp) == simdjson::SUCCESS && timestamp.size() == 16);
    SHOPLAKE_CHECK(object["event_name"].get(name) == simdjson::SUCCESS && !name.empty());
    // No field twice: the contract rejects such a record.
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : object) {
      SHOPLAKE_CHECK(std::find(keys.begin(), keys.end(), key) == keys.end());
      keys.push_back(key);
    }
  }
  for (const collect::Ga4Rejected& rejected : result.rejected) {
    SHOPLAKE_CHECK(!rejected.reason.empty() && !rejected.message.empty());
  }
}

}  // namespace shoplake::fuzz
