// An expectation of a contract: a rule of DQDL on the dataset's table, and what happens where it does not hold. The
// contract only reads and checks it; quality measures it.
#pragma once

#include <string>

#include "dqdl/rule.h"

namespace shoplake::contract {

struct Expectation {
  enum class Severity {
    warn,
    block,  // a load that breaks it is not published (docs/quality.md)
  };
  std::string text;  // as the contract spells the rule
  int line = 1;      // of the contract's file
  dqdl::Rule rule;
  Severity severity = Severity::warn;
  std::string description;
};

}  // namespace shoplake::contract
