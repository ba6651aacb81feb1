#include "ga4api/run_store.h"

namespace shoplake::ga4api {
namespace {

constexpr char kTable[] = R"(
  CREATE TABLE IF NOT EXISTS ga4_ingest_run(
    id TEXT PRIMARY KEY, property TEXT NOT NULL, first_day TEXT NOT NULL, last_day TEXT NOT NULL,
    began_at_micros INTEGER NOT NULL, ended_at_micros INTEGER NOT NULL, days INTEGER NOT NULL, rows INTEGER NOT NULL,
    requests INTEGER NOT NULL, retries INTEGER NOT NULL, is_sampled INTEGER NOT NULL, samples_read INTEGER NOT NULL,
    sampling_space INTEGER NOT NULL, is_thresholded INTEGER NOT NULL, has_other_row INTEGER NOT NULL,
    quota_json TEXT NOT NULL, error_code TEXT NOT NULL, message TEXT NOT NULL) STRICT)";

}  // namespace

Result<void> record_run(io::Database& database, const Run& run) {
  io::Transaction transaction = SHOPLAKE_TRY(io::Transaction::begin(database));
  SHOPLAKE_TRY(database.execute(kTable));
  io::Statement insert = SHOPLAKE_TRY(
      database.prepare("INSERT INTO ga4_ingest_run VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,"
                       "?18)"));
  insert.bind(1, run.id).bind(2, run.property).bind(3, run.first_day).bind(4, run.last_day);
  insert.bind(5, run.began_at_micros).bind(6, run.ended_at_micros).bind(7, run.days).bind(8, run.rows);
  insert.bind(9, run.requests).bind(10, run.retries).bind(11, run.flags.is_sampled ? 1 : 0);
  insert.bind(12, run.flags.samples_read).bind(13, run.flags.sampling_space);
  insert.bind(14, run.flags.is_thresholded ? 1 : 0).bind(15, run.flags.has_other_row ? 1 : 0);
  insert.bind(16, run.quota_json).bind(17, run.error_code).bind(18, run.message);
  SHOPLAKE_TRY(insert.run());
  io::Statement forget = SHOPLAKE_TRY(
      database.prepare("DELETE FROM ga4_ingest_run WHERE id NOT IN (SELECT id FROM ga4_ingest_run ORDER BY "
                       "began_at_micros DESC, id LIMIT ?1)"));
  SHOPLAKE_TRY(forget.bind(1, kRunsKept).run());
  return transaction.commit();
}

Result<std::vector<Run>> list_runs(io::Database& database, int count_max) {
  SHOPLAKE_TRY(database.execute(kTable));
  io::Statement select = SHOPLAKE_TRY(database.prepare(
      "SELECT id, property, first_day, last_day, began_at_micros, ended_at_micros, days, rows, requests, retries, "
      "is_sampled, samples_read, sampling_space, is_thresholded, has_other_row, quota_json, error_code, message FROM "
      "ga4_ingest_run ORDER BY began_at_micros DESC, id LIMIT ?1"));
  select.bind(1, count_max);
  std::vector<Run> runs;
  while (SHOPLAKE_TRY(select.step())) {
    Run run;
    run.id = select.text(0);
    run.property = select.text(1);
    run.first_day = select.text(2);
    run.last_day = select.text(3);
    run.began_at_micros = select.integer(4);
    run.ended_at_micros = select.integer(5);
    run.days = select.integer(6);
    run.rows = select.integer(7);
    run.requests = select.integer(8);
    run.retries = select.integer(9);
    run.flags = {select.integer(10) != 0, select.integer(11), select.integer(12), select.integer(13) != 0,
                 select.integer(14) != 0};
    run.quota_json = select.text(15);
    run.error_code = select.text(16);
    run.message = select.text(17);
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace shoplake::ga4api
