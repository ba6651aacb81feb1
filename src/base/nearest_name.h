// "Did you mean …": the known name that a mistyped one was most likely meant to be.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace shoplake::base {

// The candidate with the fewest typing mistakes (a letter missing, added, changed, or two swapped), case aside: at most
// one in up to three letters, two in up to eight, three in longer names; the first of equals. Empty if none is near.
std::string nearest_name(std::string_view given, std::span<const std::string> candidates);

}  // namespace shoplake::base
