// One lake belongs to one home: what makes commits atomic is the home's control plane, and two of them would write past
// each other. In an object store a second home is pointed at a lake as easily as the first, so a home claims its lake
// before it first uses it: by the object `.shoplake-home` at the lake's root, which names the home and is written only
// if there is none (If-None-Match), and then by a line in <home>/lake-claimed, so that it is asked once.
//
// A home is known by a digest of its key (app/hash_key.h): copied or moved with its key it is the same home.
#pragma once

#include "app/home.h"
#include "app/object_store.h"
#include "base/result.h"
#include "io/env.h"

namespace shoplake::app {

inline constexpr char kClaimObject[] = ".shoplake-home";

// Safe for several processes of a home, and killed at any moment. A store that knows no conditional writes is used
// without a claim. `env` is the machine's. Errors: home.lake_of_another (usage), those of hash_key(), s3::Client and
// Env.
base::Result<void> claim_lake(io::Env& env, ObjectStore& store, const Home& home);

}  // namespace shoplake::app
