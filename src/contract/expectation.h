// An expectation of a contract: a rule of DQDL on the dataset's table, and what happens where it does not hold. The
// contract only reads and checks it; quality measures it.
#pragma once

#include <string>

#include "dqdl/rule.h"

namespace shoplake::contract {

struct Expectation {
  enum class Severity {
    warn,
    block,  // `shoplake quality run` fails; a load is held back by the block rules of rule sets only (docs/quality.md)
  };
  std::string text;  // as the contract spells the rule
  dqdl::Rule rule;
  Severity severity = Severity::warn;
  std::string description;
};

}  // namespace shoplake::contract
