// Dead letters of the collector: what its endpoints refused and kept in the log (stream "dead_letters", one JSON object
// a record, see docs/collect.md), as rows of quarantine.collector. Retrying finds nothing in them: the sender was told,
// or the endpoint's rules were broken, and no contract decides about that.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/catalog.h"
#include "io/env.h"
#include "transform/transform.h"

namespace shoplake::live {

using base::Result;

inline constexpr std::string_view kCollectorLetterStream = "dead_letters";
inline constexpr std::string_view kCollectorDataset = "collector";  // of quarantine.collector

struct CollectorLetters {
  catalog::TableChange change;  // nothing added: there were none
  std::map<std::string, std::int64_t> by_reason;
};

// Writes durable files; the caller commits `change` or removes its files. A record that is no letter is kept as it is,
// with reason collector.unreadable. Errors: of the files and the catalog.
Result<CollectorLetters> write_collector_letters(io::Env& env, catalog::Catalog& catalog,
                                                 std::span<const transform::LogRecord> records,
                                                 std::int64_t now_micros);

}  // namespace shoplake::live
