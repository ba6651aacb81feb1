// The home's key of the treatment `hash` (HMAC-SHA-256): 256 random bits as hex in <home>/hash.key, readable by the
// owner only. Who has it can tell whose hash a value is; without it hashes of this home cannot be made or compared.
// `shoplake init` creates it; a home without one gets it when a contract first needs it.
#pragma once

#include <string>

#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

// Reads the key, or creates it. Safe for several processes: one of them creates it. Errors: home.hash_key (kind
// environment): the file is damaged or readable by others; those of Env.
base::Result<std::string> hash_key(io::Env& env, const std::string& home_directory);

}  // namespace shoplake::app
