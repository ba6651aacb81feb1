// CsvReader: records of a CSV file into a RecordBuilder, by contract.
//
// Columns are matched with fields by name (the field's, or one of its `also`), wherever they stand. Cells are read as
// docs/formats/contract.md says: an empty cell is NULL, quoted or not; text is kept as it is, other types are read
// without the spaces around them; numbers are spelled as the contract declares. Columns that the contract does not name
// go to the column of unknown fields as JSON strings. A record with more or fewer cells than the header is rejected.
// Not thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contract/contract.h"
#include "transform/csv_source.h"
#include "transform/drift.h"
#include "transform/record_builder.h"
#include "transform/rejection.h"

namespace shoplake::transform {

class CsvReader {
 public:
  using OnRejection = std::function<void(const CsvRecord& record, const Rejection& rejection)>;

  CsvReader(const contract::Contract& contract, const CsvFormat& format, RecordBuilder& builder);
  ~CsvReader();

  // Reads the records of a block in order.
  void read(const CsvBlock& block, const OnRejection& on_rejection);
  std::int64_t accepted() const;
  // Adds the columns that the contract does not name, with the number of their values in accepted records.
  void report(Drift& drift) const;
  // Fields of the contract that no column is for, by their order.
  std::vector<std::string> missing_columns() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
