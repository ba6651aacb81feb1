// Hits of gtag: /g/collect. See ga4_collect.h.
#pragma once

#include "collect/ga4_collect.h"

namespace shoplake::collect {

// Adds the rows and the rejected hits of the request.
void collect_gtag(const Ga4Request& request, const Ga4Options& options, Ga4Result& result);

}  // namespace shoplake::collect
