// Treatment of personal data in texts: finding e-mail addresses, also percent-encoded ones in URLs ("a%40b.com",
// "a%2540b.com"). An address is a local part of letters, digits, . _ + - and bytes above ASCII (or their
// percent-encoding), an at sign, and a domain with at least one dot whose last label is two letters or more; names of
// files such as "logo@2x.png" are not.
#pragma once

#include <string>
#include <string_view>

#include "contract/contract.h"

namespace shoplake::transform {

inline constexpr std::string_view kMaskedEmail = "[email]";

// What truncate_ip writes for a text that is no IP address.
inline constexpr std::string_view kRemoved = "[removed]";

// The text as the treatment wants it: `text` itself where nothing has to change, or `scratch`. `hash_key` is the key of
// Treatment::hash. Treatment drop is the caller's.
std::string_view treated(std::string_view text, contract::Treatment treatment, std::string& scratch,
                         std::string_view hash_key = {});

}  // namespace shoplake::transform
