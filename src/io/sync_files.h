// Making many files durable at once: what takes time is waiting for the disk, and a disk (and a file system's journal)
// takes many requests together. On the developers' machine sixty small files take 150 ms one after another, 22 ms so.
#pragma once

#include <string>
#include <vector>

#include "io/env.h"

namespace shoplake::io {

// Syncs files that were written and closed, then their folders, so that bytes and names are durable. The first error,
// if any; then nothing is known of any of them.
Result<void> sync_files(Env& env, const std::vector<std::string>& paths);

}  // namespace shoplake::io
