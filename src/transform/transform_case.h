// For tests: a contract and what is written by it, in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "io/env.h"
#include "io/temporary_directory.h"
#include "transform/layout.h"
#include "transform/parquet_rows.h"
#include "transform/transform.h"

namespace shoplake::transform {

// A field of contracts: parameters as GA4 has them, one of them masked, one with limits.
inline constexpr std::string_view kEventParams = R"(  - name: event_params
    type: list
    fields:
      - {name: key, type: string}
      - name: value
        type: struct
        fields:
          - {name: string_value, type: string, pii: direct, treatment: mask}
          - {name: int_value, type: long}
          - {name: double_value, type: double}
          - {name: small, type: long, min: -5, max: 5}
)";

class TransformCase : public testing::Test {
 protected:
  explicit TransformCase(std::string_view contract_text) { use(contract_text); }

  // Takes this contract from now on.
  void use(std::string_view contract_text) {
    auto contract = contract::parse_contract(contract_text, "contract.yml");
    EXPECT_TRUE(contract.ok()) << base::to_string(contract.error());
    contract_ = std::move(contract).value();
    int id = 0;
    const FieldIds ids = [&id](std::string_view) { return ++id; };
    layout_ = make_layout(contract_, ids).value();
    quarantine_layout_ = make_layout(quarantine_columns(), ids).value();
  }

  // Data files go to `folder`, dead letters to "quarantine"; both are there afterwards.
  TransformOptions options(const std::string& source_object, const std::string& folder = "data",
                           io::Env& env = io::posix_env()) {
    TransformOptions options;
    options.env = &env;
    options.contract = &contract_;
    options.layout = &layout_;
    options.quarantine_layout = &quarantine_layout_;
    options.data_directory = directory_.file(folder);
    options.quarantine_directory = directory_.file("quarantine");
    options.source_object = source_object;
    options.ingested_at_micros = 1'700'000'000'000'000;
    EXPECT_TRUE(env.create_directories(options.data_directory).ok());
    EXPECT_TRUE(env.create_directories(options.quarantine_directory).ok());
    return options;
  }

  Result<TransformResult> run_log(const std::vector<LogRecord>& records, const EventFilter& filter,
                                  const std::string& folder = "data") {
    LogTransform log(filter, options("wal/things", folder));
    SHOPLAKE_TRY(log.add(records));
    return log.finish();
  }

  // All rows, file by file.
  static std::vector<std::string> rows(const std::vector<DataFile>& files, const std::string& first_left_out) {
    std::vector<std::string> all;
    for (const DataFile& file : files) {
      for (std::string& row : rows_of(file.path, first_left_out))
        all.push_back(std::move(row));
    }
    return all;
  }
  // In order of partition, then of the file.
  static std::vector<std::string> rows(const TransformResult& result, const std::string& first_left_out = "_extra") {
    return rows(result.files, first_left_out);
  }

  io::TemporaryDirectory directory_;
  contract::Contract contract_;
  Layout layout_;
  Layout quarantine_layout_;
};

}  // namespace shoplake::transform
