#include "app/contract.h"

#include <algorithm>

#include <fmt/format.h>

#include "catalog/catalog.h"
#include "contract/contract.h"
#include "ingest/dataset_tables.h"
#include "ingest/table_schema.h"
#include "transform/layout.h"
#include "transform/profile.h"

namespace shoplake::app {

namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using contract::Difference;

Result<void> check_file(io::Env& env, const std::string& path) {
  if (!SHOPLAKE_TRY(env.exists(path))) {
    return make_error(ErrorKind::usage, "contract.no_such_file", fmt::format("There is no file {}", path),
                      "Check the path.");
  }
  if (SHOPLAKE_TRY(env.is_directory(path))) {
    return make_error(ErrorKind::usage, "contract.is_directory", fmt::format("{} is a directory", path),
                      fmt::format("Name the files in it: {}", io::join_path(path, "*.yml")));
  }
  return {};
}

bool is_dataset_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

Result<contract::Contract> read(io::Env& env, const std::string& name) {
  if (is_dataset_name(name) && !SHOPLAKE_TRY(env.exists(name)))
    return contract::load_contract(env, SHOPLAKE_TRY(read_home(env)).datasets_directory, name);
  SHOPLAKE_TRY(check_file(env, name));
  return contract::read_contract(env, name);
}

void count(const std::vector<contract::Field>& fields, CheckedContract& checked) {
  for (const contract::Field& field : fields) {
    if (!field.fields.empty()) {
      count(field.fields, checked);
      continue;
    }
    ++checked.values;
    if (field.pii != contract::PiiClass::none) {
      ++checked.personal;
      checked.treated += field.treatment != contract::Treatment::keep ? 1 : 0;
    }
  }
}

// "2010-12-01.csv.gz" names no dataset; "Product List.json" is product_list.
std::string dataset_of(const std::string& path) {
  std::string name;
  for (const char c : io::file_name(path)) {
    if (c == '.')
      break;
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_letter) {
      name += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  while (name.ends_with('_'))
    name.pop_back();
  return name.empty() ? "dataset" : name;
}

}  // namespace

Result<std::vector<CheckedContract>> check_contracts(io::Env& env, const std::vector<std::string>& names) {
  std::vector<std::string> given = names;
  if (given.empty()) {
    const std::string directory = SHOPLAKE_TRY(read_home(env)).datasets_directory;
    for (const io::DirectoryEntry& entry : SHOPLAKE_TRY(env.list_directory(directory))) {
      if (entry.name.ends_with(".yml"))
        given.push_back(io::join_path(directory, entry.name));
    }
  }
  std::vector<CheckedContract> all;
  for (const std::string& name : given) {
    CheckedContract& checked = all.emplace_back();
    checked.path = name;
    auto contract = read(env, name);
    if (!contract.ok()) {
      checked.error = std::move(contract).error();
      continue;
    }
    checked.dataset = contract->dataset;
    checked.table = contract->table;
    checked.fields = static_cast<std::int64_t>(contract->fields.size());
    checked.expectations = static_cast<std::int64_t>(contract->expectations.size());
    count(contract->fields, checked);
  }
  return all;
}

Result<DraftedContract> draft_contract(io::Env& env, const std::vector<std::string>& paths, std::string dataset) {
  if (dataset.empty())
    dataset = dataset_of(paths.front());
  if (!is_dataset_name(dataset)) {
    return make_error(ErrorKind::usage, "contract.dataset_name", fmt::format("\"{}\" is no name of a dataset", dataset),
                      "Names are of lowercase letters, digits and underscores.");
  }
  transform::Profile profile;
  transform::DraftOptions options;
  options.dataset = dataset;
  for (const std::string& path : paths) {
    SHOPLAKE_TRY(check_file(env, path));
    const auto file = SHOPLAKE_TRY(env.open_file(path));
    SHOPLAKE_TRY(profile.add(*file, io::file_name(path)));
    options.files.emplace_back(io::file_name(path));
  }
  constexpr std::size_t kFilesNamed = 3;
  if (options.files.size() > kFilesNamed) {
    options.files.resize(kFilesNamed);
    options.files.push_back(fmt::format("{} more", paths.size() - kFilesNamed));
  }
  DraftedContract drafted;
  drafted.dataset = dataset;
  drafted.records = profile.records;
  drafted.malformed = profile.malformed;
  drafted.yaml = transform::draft_contract(profile, options);
  return drafted;
}

Result<std::vector<Difference>> diff_contracts(io::Env& env, const std::string& older, const std::string& newer) {
  const contract::Contract before = SHOPLAKE_TRY(read(env, older));
  const contract::Contract after = SHOPLAKE_TRY(read(env, newer));
  return contract::differences(before, after);
}

Result<std::vector<Difference>> diff_with_table(App& app, const std::string& name) {
  const contract::Contract contract = SHOPLAKE_TRY(read(app.env(), name));
  catalog::Catalog* catalog = SHOPLAKE_TRY(app.catalog());
  const ingest::DatasetTables tables = SHOPLAKE_TRY(ingest::dataset_tables(contract));
  const catalog::Table table = SHOPLAKE_TRY(catalog->load_table(tables.table));
  const catalog::Schema& current = table.metadata->current_schema();
  std::vector<Difference> found;
  for (const transform::Column& column : transform::table_columns(contract)) {
    const catalog::Schema wanted = ingest::table_schema({column});
    const catalog::Field* field = current.find(column.name);
    if (field == nullptr) {
      found.push_back({Difference::Effect::compatible, column.name, "is no column yet: the next load adds it"});
      continue;
    }
    const auto planned = catalog->plan_evolved_schema(tables.table, wanted);
    if (!planned.ok()) {
      found.push_back({Difference::Effect::breaking, column.name, planned.error().message});
    } else if (*planned->find(column.name) != *field) {
      found.push_back({Difference::Effect::compatible, column.name, "the next load widens the column"});
    }
  }
  const std::vector<transform::Column> columns = transform::table_columns(contract);
  for (const catalog::Field& field : current.fields) {
    const bool is_there = std::any_of(columns.begin(), columns.end(),
                                      [&](const transform::Column& column) { return column.name == field.name; });
    if (!is_there)
      found.push_back(
          {Difference::Effect::breaking, field.name, "is a column that the contract no longer fills: NULL"});
  }
  return found;
}

}  // namespace shoplake::app
