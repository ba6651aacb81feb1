// The computed fields of a contract from YAML. For contract.cc.
#pragma once

#include "contract/contract.h"
#include "contract/yaml_reader.h"

namespace shoplake::contract {

// Fills contract.computed and computed_order; the contract's fields are there already.
Result<void> parse_computed(const YamlReader& yaml, const YAML::Node& node, Contract& contract);

}  // namespace shoplake::contract
