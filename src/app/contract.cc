#include "app/contract.h"

#include <fmt/format.h>

#include "contract/contract.h"

namespace shoplake::app {

namespace {

base::Result<contract::Contract> read(io::Env& env, const std::string& path) {
  if (!SHOPLAKE_TRY(env.exists(path))) {
    return base::make_error(base::ErrorKind::usage, "contract.no_such_file", fmt::format("There is no file {}", path),
                            "Check the path.");
  }
  if (SHOPLAKE_TRY(env.is_directory(path))) {
    return base::make_error(base::ErrorKind::usage, "contract.is_directory", fmt::format("{} is a directory", path),
                            fmt::format("Name the files in it: {}", io::join_path(path, "*.yml")));
  }
  return contract::read_contract(env, path);
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

}  // namespace

std::vector<CheckedContract> check_contracts(io::Env& env, const std::vector<std::string>& paths) {
  std::vector<CheckedContract> all;
  for (const std::string& path : paths) {
    CheckedContract& checked = all.emplace_back();
    checked.path = path;
    auto contract = read(env, path);
    if (!contract.ok()) {
      checked.error = std::move(contract).error();
      continue;
    }
    checked.dataset = contract->dataset;
    checked.table = contract->table;
    checked.fields = static_cast<std::int64_t>(contract->fields.size());
    count(contract->fields, checked);
  }
  return all;
}

}  // namespace shoplake::app
