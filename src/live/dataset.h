// Dataset: one contract that live feeds, with its tables and the ids of its newest events. Turns records into data
// files, each event once.
//
// Belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "contract/contract.h"
#include "engine/session.h"
#include "ingest/dataset_tables.h"
#include "io/env.h"
#include "live/models.h"
#include "live/seen_events.h"
#include "transform/transform.h"

namespace shoplake::live {

using base::Result;

// Records that say one source object of themselves.
struct Records {
  std::string source_object;  // "wal/events"
  std::vector<transform::LogRecord> records;
};

// What became of the records of one dataset.
struct Transformed {
  std::vector<transform::DataFile> files;
  std::vector<transform::DataFile> quarantine_files;
  std::vector<transform::DataFile> rejected_files;  // instead of these, where quarantine is not to have them (again)
  std::uint64_t rows = 0;
  std::uint64_t rejected = 0;
  std::uint64_t duplicates = 0;
  std::map<std::string, std::int64_t> rejected_by_reason;
  std::int64_t newest_micros = 0;           // of the events accepted, without those that are of the future
  SeenEvents events{SeenEvents::kAll};      // accepted
  std::vector<std::int64_t> unsure_micros;  // moments of those that the table may have, older than what memory holds

  void add(Transformed other);
};

struct DatasetOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  std::string datasets_directory;
  std::string dataset;
  std::size_t window_events_max = 0;
  std::string hash_key = {};  // of the contract's treatment hash
};

class Dataset {
 public:
  // Reads the contract and creates the tables if they are absent. Errors: contract's and the catalog's.
  static Result<std::unique_ptr<Dataset>> open(const DatasetOptions& options);

  const contract::Contract& contract() const { return contract_; }
  const ingest::DatasetTables& tables() const { return tables_; }
  SourceTable source() const;
  std::int64_t newest_micros() const { return newest_micros_; }
  std::size_t ids_bytes() const { return seen_.memory_bytes(); }

  // Reads the ids of the newest events from the table.
  Result<void> load(engine::Session& session);

  struct TransformRequest {
    std::vector<Records> records;
    std::int64_t now_micros = 0;
    bool keeps_rejected = true;  // false: rejected records do not go to quarantine
    std::stop_token stop;
  };
  // Durable files of the events that are not there yet. discard() or accept() must follow.
  Result<Transformed> transform(const TransformRequest& request, engine::Session& session);

  // The same in pieces, for batches that several threads share; see bulk.h. begin() first; then a Part for each thread
  // (of these, const methods may be called at once); known() tells which of their events the table has already.
  Result<void> begin(engine::Session& session);
  class Part;
  Result<SeenEvents> known(const Transformed& transformed, engine::Session& session) const;

  void discard(const Transformed& transformed) const;
  // Changes that put the files into the tables.
  std::vector<catalog::TableChange> changes(const Transformed& transformed) const;
  void accept(const Transformed& transformed, const std::vector<catalog::CommittedTable>& committed);
  // Files of the table were merged into others.
  void merged(const catalog::TableChange& change, const catalog::CommittedTable& committed);
  // The planned columns are no longer the table's: they are planned anew for the next batch.
  void forget_layout() { layout_.reset(); }

 private:
  struct Layouts {
    catalog::Schema schema;
    catalog::Schema quarantine_schema;
    transform::Layout layout;
    transform::Layout quarantine_layout;
    std::string data_directory;
    std::string quarantine_directory;
  };
  struct TimedFile {
    std::int64_t rows = 0;
    std::optional<std::int64_t> first_micros;
    std::optional<std::int64_t> last_micros;
  };

  explicit Dataset(DatasetOptions options) : options_(std::move(options)), seen_(options_.window_events_max) {}
  Result<void> plan_layout();
  Result<Transformed> transform_once(const TransformRequest& request, const std::vector<const SeenEvents*>& others);
  Result<void> list_files(const catalog::Table& table);
  Result<void> see(const std::vector<std::string>& paths, engine::Session& session);
  Result<void> follow_table(engine::Session& session);
  TimedFile timed(const transform::DataFile& file) const;
  void follow_commit(const catalog::CommittedTable& committed);
  std::string moment_literal(std::int64_t micros) const;

  DatasetOptions options_;
  contract::Contract contract_;
  ingest::DatasetTables tables_;
  std::string time_column_;
  bool time_is_timestamp_ = false;
  std::unique_ptr<Layouts> layout_;
  SeenEvents seen_;
  std::int64_t newest_micros_ = 0;
  std::map<std::string, TimedFile> files_;  // of the table, by path
  std::int32_t time_field_id_ = 0;
  std::string metadata_location_;  // of the table as files_ and seen_ know it
};

// A stretch of a batch, in the order of the log. Belongs to one thread; the dataset stays as it is meanwhile.
class Dataset::Part {
 public:
  struct Options {
    std::int64_t now_micros = 0;
    bool keeps_rejected = true;
    std::stop_token stop;
    // Further events that are not to be taken: those of the stretches before, those that known() found. They outlive
    // the part.
    std::vector<const SeenEvents*> others;
  };
  Part(const Dataset& dataset, Options options);
  ~Part();  // without finish(): removes what was written

  // The payloads need to live only until add() returns.
  Result<void> add(const std::string& source_object, std::span<const transform::LogRecord> records);
  // No more of this source: gives its memory back.
  Result<void> end(const std::string& source_object);
  Result<Transformed> finish();

 private:
  bool takes(const transform::EventKey& key);

  const Dataset& dataset_;
  Options options_;
  std::int64_t latest_micros_ = 0;
  Transformed result_;
  std::map<std::string, std::unique_ptr<transform::LogTransform>> open_;  // by source object
};

}  // namespace shoplake::live
