// The audit log: who did what to which object, when, and what came of it. Commands that change something, calls of the
// API that do, starts of flows; never a query, and nothing on the way of collected events.
//
// Append-only: the table's triggers refuse to change or remove a row, and each row holds a digest over itself and the
// row before, so that a log that was changed by other means does not verify(). It is a file of its own
// (<home>/audit.sqlite, docs/formats/audit.md): a record costs one sync and waits for no other writer of the lake.
//
// It must hold no secrets and no data about visitors: callers give names of things (a dataset, a table, a flow), never
// values, file contents or query texts. Texts are cut at kTextBytesMax.
//
// Errors: those of io::Database. One thread at a time; several processes may write one log.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/env.h"
#include "io/sqlite.h"

namespace shoplake::audit {

inline constexpr std::size_t kTextBytesMax = 256;
inline constexpr std::string_view kDone = "done";

struct Action {
  std::string source;  // "cli", "api", "flow"
  std::string who;     // the system's name of the account, the id of an API key, "anonymous", "schedule:nightly"
  std::string action;  // "load", "catalog compact", "catalog.commit", "flow start"
  std::string object;  // "events", "marts.fact_sessions", "shop_batch"; may be empty
};

struct Record {
  std::int64_t id = 0;
  std::int64_t at_micros = 0;  // of its begin
  Action action;
  std::string outcome;                      // "done", or the code of the error; empty: not ended, or cut off
  std::optional<std::int64_t> took_micros;  // of what has an end
};

struct Filter {
  std::optional<std::int64_t> since_micros = {};
  std::string who = {};     // empty: all
  std::string action = {};  // the whole, or its first words: "catalog"
  std::string source = {};
  std::int64_t rows_max = 100;
};

class AuditLog {
 public:
  // Creates the file if absent.
  static base::Result<std::unique_ptr<AuditLog>> open(io::Env& env, const std::string& path);

  // Before something that takes time: a crash leaves its begin. Returns what end() takes.
  base::Result<std::int64_t> begin(const Action& action);
  base::Result<void> end(std::int64_t begun, std::string_view outcome);
  // Something that has happened.
  base::Result<void> record(const Action& action, std::string_view outcome);

  // Newest first.
  base::Result<std::vector<Record>> list(const Filter& filter);

  // Reads the whole log; what is wrong with the first row that does not fit, nothing if all is as it was written.
  struct Verification {
    std::int64_t rows = 0;
    std::optional<std::string> finding;
  };
  base::Result<Verification> verify();

 private:
  AuditLog(io::Env& env, std::unique_ptr<io::Database> database);
  base::Result<std::int64_t> append(const Action& action, std::optional<std::int64_t> begun,
                                    std::optional<std::string_view> outcome);

  io::Env& env_;
  std::unique_ptr<io::Database> database_;
};

// The audit log of a home.
std::string log_path(std::string_view home_directory);

}  // namespace shoplake::audit
