// The commands of the program, each in src/cli/<command>.cc; main.cc lists them in the order of the help text.
#pragma once

namespace CLI {
class App;
}

namespace shoplake::cli {

struct Context;

void add_load(CLI::App& root, Context& context);
void add_ingest(CLI::App& root, Context& context);
void add_ga4(CLI::App& root, Context& context);
void add_contract(CLI::App& root, Context& context);
void add_quarantine(CLI::App& root, Context& context);
void add_replay(CLI::App& root, Context& context);

void add_build(CLI::App& root, Context& context);
void add_run(CLI::App& root, Context& context);
void add_test(CLI::App& root, Context& context);
void add_compile(CLI::App& root, Context& context);
void add_ls(CLI::App& root, Context& context);
void add_docs(CLI::App& root, Context& context);
void add_parse(CLI::App& root, Context& context);
void add_seed(CLI::App& root, Context& context);
void add_snapshot(CLI::App& root, Context& context);
void add_source(CLI::App& root, Context& context);

void add_query(CLI::App& root, Context& context);
void add_serve(CLI::App& root, Context& context);
void add_catalog(CLI::App& root, Context& context);
void add_warehouse(CLI::App& root, Context& context);
void add_quality(CLI::App& root, Context& context);
void add_catalog_crawl(CLI::App& command, Context& context);
void add_catalog_lifecycle(CLI::App& command, Context& context);
void add_catalog_maintenance(CLI::App& command, Context& context);
void add_inspect(CLI::App& root, Context& context);

void add_flow(CLI::App& root, Context& context);
void add_flow_show(CLI::App& command, Context& context);
void add_flow_run(CLI::App& command, Context& context);

void add_alarm(CLI::App& root, Context& context);
void add_topic(CLI::App& root, Context& context);
void add_cost(CLI::App& root, Context& context);
void add_audit(CLI::App& root, Context& context);

void add_demo(CLI::App& root, Context& context);
void add_generate(CLI::App& root, Context& context);

void add_init(CLI::App& root, Context& context);
void add_doctor(CLI::App& root, Context& context);
void add_completion(CLI::App& root, Context& context);

}  // namespace shoplake::cli
