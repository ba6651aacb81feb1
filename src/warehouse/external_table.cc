#include "warehouse/external_table.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace shoplake::warehouse {

std::string create_statement(const ExternalTable& table) {
  std::string columns;
  for (const Column& column : table.columns)
    columns += fmt::format("{}  {} {}", columns.empty() ? "" : ",\n", quoted(column.name, table.dialect), column.type);
  const std::string head =
      fmt::format("CREATE EXTERNAL TABLE {} (\n{}\n)\n", to_string(table.name, table.dialect), columns);
  if (table.dialect == Dialect::spectrum)
    return fmt::format("{}STORED AS PARQUET\nLOCATION {};\n", head, quoted_literal(table.location));
  return fmt::format(
      "{}ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'\n"
      "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'\n"
      "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'\n"
      "LOCATION {};\n",
      head, quoted_literal(table.location));
}

std::string file_list(Dialect dialect, const std::vector<ExternalFile>& files) {
  if (dialect == Dialect::athena) {
    std::string lines;
    for (const ExternalFile& file : files)
      lines += file.url + "\n";
    return lines;
  }
  nlohmann::json entries = nlohmann::json::array();
  for (const ExternalFile& file : files)
    entries.push_back({{"url", file.url}, {"mandatory", true}, {"meta", {{"content_length", file.size_bytes}}}});
  return nlohmann::json{{"entries", entries}}.dump(2) + "\n";
}

}  // namespace shoplake::warehouse
