// `shoplake contract`: data contracts checked as a load would read them, drafted from files, and compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/app.h"
#include "base/result.h"
#include "contract/difference.h"
#include "io/env.h"

namespace shoplake::app {

struct CheckedContract {
  std::string path;
  std::optional<base::Error> error;  // the first mistake, with its line; the rest is empty then
  std::string dataset;
  std::string table;
  std::int64_t fields = 0;    // top-level ones: columns of the table
  std::int64_t values = 0;    // fields that hold a value, at any depth
  std::int64_t personal = 0;  // of these: classed as pseudonymous or direct
  std::int64_t treated = 0;   // of these: not kept as they are
  std::int64_t expectations = 0;
};

// One for each path, or name of a dataset of the home, in order; without any, all of the home. Creates no home.
base::Result<std::vector<CheckedContract>> check_contracts(io::Env& env, const std::vector<std::string>& names);

struct DraftedContract {
  std::string dataset;
  std::string yaml;
  std::int64_t records = 0;
  std::int64_t malformed = 0;
};
// A contract for the records of the files. `dataset`: empty: after the first file's name.
// Errors: contract.no_such_file, contract.dataset_name (kind usage); profile.no_records (kind input).
base::Result<DraftedContract> draft_contract(io::Env& env, const std::vector<std::string>& paths, std::string dataset);

// Of two contracts, each a path or the name of a dataset of the home.
base::Result<std::vector<contract::Difference>> diff_contracts(io::Env& env, const std::string& older,
                                                               const std::string& newer);
// Of the dataset's table, as it is in the catalog, and a contract. Error: catalog.no_such_table.
base::Result<std::vector<contract::Difference>> diff_with_table(App& app, const std::string& contract);

}  // namespace shoplake::app
