// Plan: which models of the project live runs on a batch, in which order, and their SQL with every relation resolved.
// A value; made anew whenever the project or the shape of a table may have changed.
//
// A model takes part if its configuration has meta.live (dbt/macros/live.sql). The relations that its SQL names are, in
// the engine's schemas:
//   live_source.<table>   this batch's records of a source that live feeds
//   live_batch.<model>    this batch's rows of a model that only appends, or of a view over such
//   live_now.<model>      the rows of a model that live changes
//   live_this.<model>     `this`: of these the rows within the scope, as they were before this batch
//   live_read.<model>__<read>  of another model the rows that this one needs (meta.live.reads)
//   live.changed_<model>  its rows that this batch added or removed, with change_count: 1, or more if equal ones were
//                         added; negative for removed ones
//   live_lake.<table>     everything else, as the lake has it
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "engine/session.h"
#include "io/env.h"
#include "model/invocation.h"

namespace shoplake::live {

using base::Result;

inline constexpr const char* kSourceSchema = "live_source";
inline constexpr const char* kBatchSchema = "live_batch";
inline constexpr const char* kNowSchema = "live_now";
inline constexpr const char* kThisSchema = "live_this";
inline constexpr const char* kReadSchema = "live_read";
inline constexpr const char* kChangedSchema = "live";
inline constexpr const char* kLakeSchema = "live_lake";

// What a model needs of another one's rows: its ref() gives these and no others.
struct LiveRead {
  std::string model;     // the other's name
  std::string relation;  // in live_read
  std::string where;     // predicate over the other's columns
};

// A table of the lake that live writes models' rows to.
struct LiveModel {
  std::string id;    // "model.shoplake.fact_sessions"
  std::string name;  // "fact_sessions": what its relations are called
  catalog::TableIdentifier table;
  bool appends = false;         // its rows are never changed
  bool is_hot = false;          // its rows are kept in memory
  bool changes_read = false;    // live.changed_<name> is read
  bool is_read_whole = false;   // by something that does not say which of its rows it needs
  std::string scope;            // predicate over its own columns; of one that does not append
  std::string sql;              // gives all rows of the scope
  std::vector<LiveRead> reads;  // in the order in which they are found: the later may name the earlier
  std::string day;              // column, with hot_days
  std::int64_t hot_days = 0;    // 0: the whole table is hot
  catalog::Schema schema;       // of the table
  std::vector<std::string> partition_by;
  std::string columns;  // "a", "b"
  std::string casts;    // CAST("a" AS BIGINT) AS "a", …
};

// A view of the project between sources and models.
struct LiveView {
  std::string name;
  std::string sql;
  bool is_batch = false;  // nothing but this batch's rows: computed once
};

struct LakeTable {
  std::string name;  // in live_lake
  catalog::TableIdentifier table;
  bool is_view = false;
  std::string sql;
};

struct Plan {
  struct Step {
    const LiveModel* model = nullptr;  // or
    const LiveView* view = nullptr;
    std::vector<std::size_t> after;  // earlier steps whose rows it reads, by themselves or through views
  };
  std::vector<std::unique_ptr<LiveModel>> models;
  std::vector<std::unique_ptr<LiveView>> views;
  std::vector<Step> steps;  // in graph order
  std::vector<LakeTable> lake_tables;
  std::vector<catalog::TableIdentifier> missing;  // tables that must exist first; then nothing else is filled in
  std::int64_t late_hours = 72;
};

struct PlanOptions {
  io::Env* env = nullptr;
  catalog::Catalog* catalog = nullptr;
  model::InvocationOptions project;
  std::vector<catalog::TableIdentifier> sources;  // that live feeds
};

// The names of the models that take part, sorted. Errors: the project's.
Result<std::vector<std::string>> list_live_models(const model::InvocationOptions& project);

// Errors: the project's; live.configuration (kind usage) for a meta.live that is wrong.
Result<Plan> make_plan(const PlanOptions& options, engine::Session& session);

}  // namespace shoplake::live
