// Dead letters of the collector: what its endpoints refused and kept in the log (stream "dead_letters", one JSON object
// a record, see docs/collect.md), as rows of quarantine.collector. Retrying finds nothing in them: the sender was told,
// or the endpoint's rules were broken, and no contract decides about that.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
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
  std::uint64_t count = 0;

  void add(CollectorLetters other);
};

// Writes durable files; the caller commits `change` or removes its files. A record that is no letter is kept as it is,
// with reason collector.unreadable. Belongs to one thread. Errors: of the files and the catalog; without finish()
// nothing is left behind.
class CollectorLetterWriter {
 public:
  CollectorLetterWriter(io::Env& env, catalog::Catalog& catalog, std::int64_t now_micros);
  ~CollectorLetterWriter();

  Result<void> add(const transform::LogRecord& record);  // copies what it needs
  Result<CollectorLetters> finish();

 private:
  struct State;
  Result<void> open();

  io::Env& env_;
  catalog::Catalog& catalog_;
  std::int64_t now_micros_;
  std::unique_ptr<State> state_;  // from the first letter on
};

}  // namespace shoplake::live
