// What a file's path says of it. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shoplake::ingest {

// The day of a file, YYYY-MM-DD: of the folder date=YYYY-MM-DD that it is in, else the first day YYYY-MM-DD in its
// name, else the UTC day of `now_micros`.
std::string file_date(std::string_view path, std::int64_t now_micros);

// A name that writers give to what is not finished: hidden or temporary (.x, _x, x~, .tmp, .part, .partial,
// .crdownload, .filepart, .swp, .inprogress).
bool is_unfinished_name(std::string_view name);

}  // namespace shoplake::ingest
