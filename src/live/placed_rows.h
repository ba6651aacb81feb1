// Rows of a model's table with their places: number of the file, position in it. Internal to models*.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/session.h"
#include "live/cold_rows.h"
#include "live/plan.h"
#include "live/table_files.h"

namespace shoplake::live {

// SQL: a query of the rows of these files that are not deleted and of which `where`, about `rows`, is true: the model's
// columns, _shoplake_file, _shoplake_position.
std::string placed_rows(const LiveModel& model, const TableFiles& files, const std::vector<std::int32_t>& numbers,
                        const std::string& where = "true");

// Adds the rows of an answer that has of each its file, its position and the hashes of its keys.
Result<void> add_cold_rows(const engine::ResultSet& listed, std::size_t keys, ColdRows& cold);

}  // namespace shoplake::live
