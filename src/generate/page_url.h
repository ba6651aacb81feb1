// The address of a page of the generated shop, which every writer of events spells the same.
#pragma once

#include <string>

#include "generate/journey.h"

namespace shoplake::generate {

// Makes `url` the page's address; returns what stands before its next parameter: '?', or '&' if it has one already.
char assign_page_url(std::string& url, const Page& page);

}  // namespace shoplake::generate
