#include "live/collector_letters.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/base64.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "ingest/table_schema.h"
#include "transform/dead_letters.h"
#include "transform/layout.h"

namespace shoplake::live {
namespace {

struct Letter {
  std::string reason = "collector.unreadable";
  std::string message = "this record of the collector is no dead letter";
  std::string bytes;
  std::int64_t size = 0;
};

Letter read_letter(std::string_view payload) {
  Letter letter;
  letter.bytes = payload;
  letter.size = static_cast<std::int64_t>(payload.size());
  const auto json = nlohmann::json::parse(payload, nullptr, false);
  const auto text = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!json.is_object() || text("reason").empty())
    return letter;
  std::string bytes;
  if (!base::base64_decode(text("bytes_base64"), bytes))
    return letter;
  letter.reason = text("reason");
  letter.message = text("source") + ", stream " + text("stream") + ": " + text("message");
  const auto size = json.find("size");
  letter.size = size != json.end() && size->is_number_integer() ? size->get<std::int64_t>()
                                                                : static_cast<std::int64_t>(bytes.size());
  letter.bytes = std::move(bytes);
  return letter;
}

}  // namespace

void CollectorLetters::add(CollectorLetters other) {
  if (change.added.empty()) {
    change = std::move(other.change);
  } else {
    change.added.insert(change.added.end(), other.change.added.begin(), other.change.added.end());
  }
  for (const auto& [reason, letters] : other.by_reason)
    by_reason[reason] += letters;
  count += other.count;
}

struct CollectorLetterWriter::State {
  contract::Contract collector;
  catalog::TableIdentifier table;
  catalog::Schema schema;
  transform::Layout layout;
  transform::TransformOptions options;
  std::unique_ptr<transform::DeadLetters> letters;  // reads the others
};

CollectorLetterWriter::CollectorLetterWriter(io::Env& env, catalog::Catalog& catalog, std::int64_t now_micros)
    : env_(env), catalog_(catalog), now_micros_(now_micros) {}

CollectorLetterWriter::~CollectorLetterWriter() = default;

Result<void> CollectorLetterWriter::open() {
  auto state = std::make_unique<State>();
  state->collector.dataset = kCollectorDataset;
  state->table = {catalog::Namespace{{"quarantine"}}, state->collector.dataset};
  SHOPLAKE_TRY(ingest::create_quarantine_table(catalog_, state->table));
  state->schema =
      SHOPLAKE_TRY(catalog_.plan_evolved_schema(state->table, ingest::table_schema(transform::quarantine_columns())));
  state->layout =
      SHOPLAKE_TRY(transform::make_layout(transform::quarantine_columns(), ingest::field_ids(state->schema)));
  transform::TransformOptions& options = state->options;
  options.env = &env_;
  options.contract = &state->collector;
  options.quarantine_layout = &state->layout;
  options.quarantine_directory = SHOPLAKE_TRY(catalog_.data_location(state->table));
  options.source_object = "wal/" + std::string(kCollectorLetterStream);
  options.ingested_at_micros = now_micros_;
  state->letters = std::make_unique<transform::DeadLetters>(options);
  state_ = std::move(state);
  return {};
}

Result<void> CollectorLetterWriter::add(const transform::LogRecord& record) {
  if (!state_)
    SHOPLAKE_TRY(open());
  const Letter letter = read_letter(record.payload);
  return state_->letters->add(
      {letter.reason, letter.message, record.line, -1, letter.size, letter.bytes, record.received_at_micros});
}

Result<CollectorLetters> CollectorLetterWriter::finish() {
  CollectorLetters done;
  if (!state_)
    return done;
  done.by_reason = state_->letters->by_reason();
  done.count = static_cast<std::uint64_t>(state_->letters->count());
  done.change.table = state_->table;
  done.change.added = SHOPLAKE_TRY(state_->letters->finish());
  done.change.summary = {{"shoplake.live", "batch"}};
  done.change.create = catalog::CreateTable{state_->schema, {}, {}, std::nullopt};
  done.change.evolve_to = state_->schema;
  return done;
}

}  // namespace shoplake::live
