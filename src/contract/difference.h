// What changes between two versions of a contract: what old files and readers of the table bear, and what breaks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "contract/contract.h"

namespace shoplake::contract {

struct Difference {
  enum class Effect {
    compatible,  // files that loaded before load as before; the table evolves by itself
    stricter,    // the table stays; records that were good before may be rejected
    breaking,    // the table cannot become it, its readers lose something, or files that loaded before do not
  };
  Effect effect = Effect::compatible;
  std::string place;  // "price", "items[].sku", "partition_by"
  std::string what;   // "decimal(9,2) becomes decimal(12,2)"
};

// "compatible", "stricter", "breaking"
std::string_view name(Difference::Effect effect);

// In the order of the newer contract's fields, then what only the older one has. Descriptions, tags and expectations
// change nothing that this is about.
std::vector<Difference> differences(const Contract& older, const Contract& newer);

// Whether an Iceberg column of the first type can become one of the second.
bool widens(Type from, DecimalShape from_shape, Type to, DecimalShape to_shape);

// "decimal(12,2)", "long"
std::string type_text(Type type, DecimalShape shape);

}  // namespace shoplake::contract
