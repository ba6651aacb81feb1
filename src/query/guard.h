// What a user's query may call. The engine's lock (Database::lock_down) leaves the files below the lake root open,
// because the tables themselves are read from there; the guard is what keeps a query to tables: it walks the syntax
// tree and lets through only table functions that are known to read no file, take no secret and change nothing.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/session.h"

namespace shoplake::query {

// Errors, of kind usage: engine.not_a_query; query.forbidden_function ("read_csv"); query.reads_file (FROM 'x.csv');
// engine.sql (kind failed) where the text is no SQL. Tables need not exist.
base::Result<void> check_query(engine::Session& session, std::string_view sql);

// The same for the SQL of a view of the catalog, which may also scan files, if each path is a constant below
// `lake_root`: that is how raw objects are tables (crawl/external_view.h). Anybody who may write to the catalog can
// make a view, and the engine reads files when a view is made, before it is locked down: so this is what keeps views to
// the lake.
base::Result<void> check_view(engine::Session& session, std::string_view sql, std::string_view lake_root);

}  // namespace shoplake::query
