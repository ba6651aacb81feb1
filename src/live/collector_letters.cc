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

Result<CollectorLetters> write_collector_letters(io::Env& env, catalog::Catalog& catalog,
                                                 std::span<const transform::LogRecord> records,
                                                 std::int64_t now_micros) {
  CollectorLetters letters;
  if (records.empty())
    return letters;
  contract::Contract collector;
  collector.dataset = kCollectorDataset;
  const catalog::TableIdentifier table{catalog::Namespace{{"quarantine"}}, collector.dataset};
  SHOPLAKE_TRY(ingest::create_quarantine_table(catalog, table));
  const catalog::Schema schema =
      SHOPLAKE_TRY(catalog.plan_evolved_schema(table, ingest::table_schema(transform::quarantine_columns())));
  const transform::Layout layout =
      SHOPLAKE_TRY(transform::make_layout(transform::quarantine_columns(), ingest::field_ids(schema)));
  transform::TransformOptions options;
  options.env = &env;
  options.contract = &collector;
  options.quarantine_layout = &layout;
  options.quarantine_directory = SHOPLAKE_TRY(catalog.data_location(table));
  options.source_object = "wal/" + std::string(kCollectorLetterStream);
  options.ingested_at_micros = now_micros;
  transform::DeadLetters writer(options);
  for (const transform::LogRecord& record : records) {
    const Letter letter = read_letter(record.payload);
    SHOPLAKE_TRY(writer.add({letter.reason, letter.message, record.line, -1, letter.size, letter.bytes}));
  }
  letters.by_reason = writer.by_reason();
  letters.change.table = table;
  letters.change.added = SHOPLAKE_TRY(writer.finish());
  letters.change.summary = {{"shoplake.live", "batch"}};
  letters.change.create = catalog::CreateTable{schema, {}, {}, std::nullopt};
  letters.change.evolve_to = schema;
  return letters;
}

}  // namespace shoplake::live
