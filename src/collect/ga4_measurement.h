// The Measurement Protocol: /mp/collect and /debug/mp/collect. See ga4_collect.h.
#pragma once

#include "collect/ga4_collect.h"

namespace shoplake::collect {

// Adds the rows, the validation messages and what was rejected.
void collect_measurement(const Ga4Request& request, const Ga4Options& options, Ga4Result& result);
// Adds the validation messages only.
void validate_measurement(const Ga4Request& request, Ga4Result& result);

}  // namespace shoplake::collect
