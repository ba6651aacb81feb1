// ComputedFields: the contract's computed columns (contract/expression.h) of a whole ColumnSet at once, column by
// column, of values as they are written.
//
// NULL operands give NULL except in and, or, is null, coalesce and case, as in SQL. Division and modulo by zero, and a
// long or finite double that would overflow, give NULL. docs/formats/contract.md says it for users. Not thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "contract/contract.h"
#include "transform/column_set.h"
#include "transform/dictionary.h"
#include "transform/layout.h"

namespace shoplake::transform {

class ComputedFields {
 public:
  // Appends a text to the values of a leaf.
  using AppendText = std::function<void(const Node& node, LeafValues& leaf, std::string_view text)>;

  // Both must outlive this object.
  ComputedFields(const contract::Contract& contract, const Layout& layout);
  ~ComputedFields();

  // Fills the computed columns of a set whose records are complete. `dictionaries` are those of its texts, by leaf.
  void add_to(ColumnSet& set, const std::vector<std::unique_ptr<Dictionary>>& dictionaries, const AppendText& append);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace shoplake::transform
