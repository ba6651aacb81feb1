// shoplake inspect wal|object PATH: what is in a file of the log or in a raw object, damaged ones included.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "app/inspect.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace shoplake::cli {
namespace {

constexpr std::size_t kRecordBytesShown = 400;
constexpr int kDamaged = 1;

std::string offset_text(std::uint64_t offset) { return format_count(static_cast<std::int64_t>(offset)); }

// The begin of a record on one line.
std::string shown(std::string_view record) {
  while (record.ends_with('\n')) {
    record.remove_suffix(1);
  }
  std::string text(record.substr(0, kRecordBytesShown));
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return record.size() > kRecordBytesShown ? fmt::format("{}… ({})", text, format_bytes(record.size())) : text;
}

std::string as_json(const std::vector<app::InspectedLoss>& losses) {
  std::string json;
  for (const app::InspectedLoss& loss : losses) {
    json += fmt::format(R"({}{{"first_offset":{},"end_offset":{},"reason":{}}})", json.empty() ? "" : ",", loss.first,
                        loss.end, json_quoted(loss.reason));
  }
  return "[" + json + "]";
}

std::string as_json(const app::InspectedSegment& segment) {
  if (!segment.is_readable) {
    return fmt::format(R"({{"path":{},"readable":false,"bytes":{},"problem":{}}})", json_quoted(segment.path),
                       segment.bytes, json_quoted(segment.problem));
  }
  std::string streams;
  for (const auto& [stream, records] : segment.streams) {
    streams += fmt::format("{}{}:{}", streams.empty() ? "" : ",", json_quoted(stream), records);
  }
  return fmt::format(
      R"({{"path":{},"readable":true,"sequence":{},"first_offset":{},"end_offset":{},"created_at":{},)"
      R"("first_received_at":{},"last_received_at":{},"bytes":{},"records":{},"payload_bytes":{},"streams":{{{}}},)"
      R"("header_damaged":{},"lost":{},"damaged_bytes":{},"tail_bytes":{}}})",
      json_quoted(segment.path), segment.sequence, segment.first, segment.end, json_quoted(segment.created_at),
      json_quoted(segment.first_received_at), json_quoted(segment.last_received_at), segment.bytes, segment.records,
      segment.payload_bytes, streams, segment.is_header_damaged, as_json(segment.lost), segment.bytes_damaged,
      segment.tail_bytes);
}

bool is_damaged(const app::InspectedLog& log) {
  if (!log.missing.empty()) {
    return true;
  }
  for (const app::InspectedSegment& segment : log.segments) {
    if (!segment.is_readable || segment.is_header_damaged || !segment.lost.empty() || segment.bytes_damaged > 0) {
      return true;
    }
  }
  return false;
}

// What is wrong with a segment, a line each.
std::vector<std::string> findings(const app::InspectedSegment& segment) {
  std::vector<std::string> lines;
  if (!segment.is_readable) {
    lines.push_back(fmt::format("unreadable: {}", segment.problem));
    return lines;
  }
  if (segment.is_header_damaged) {
    lines.emplace_back("its header is damaged; it was read by what its name says");
  }
  for (const app::InspectedLoss& loss : segment.lost) {
    lines.push_back(
        fmt::format("lost: offsets {} to {}, {}", offset_text(loss.first), offset_text(loss.end - 1), loss.reason));
  }
  if (segment.tail_bytes > 0) {
    lines.push_back(fmt::format("{} behind the last record that counts: a torn or given-up write, or damage",
                                format_bytes(segment.tail_bytes)));
  }
  return lines;
}

base::Result<int> inspect_wal(const std::string& path, app::InspectOptions options, Context& context) {
  std::string records;
  options.show = [&](const app::InspectedRecord& record) {
    if (context.json) {
      records += fmt::format(R"({}{{"offset":{},"stream":{},"received_at":{},"payload":{}}})",
                             records.empty() ? "" : ",", record.offset, json_quoted(record.stream),
                             json_quoted(record.received_at), json_quoted(record.payload));
    } else {
      context.say(
          fmt::format("{}  {}  {}  {}", record.offset, record.received_at, record.stream, shown(record.payload)));
    }
  };
  const app::InspectedLog log = SHOPLAKE_TRY(app::inspect_wal(io::posix_env(), path, options));
  const int exit_code = is_damaged(log) ? kDamaged : 0;
  if (context.json) {
    std::string segments;
    for (const app::InspectedSegment& segment : log.segments) {
      segments += (segments.empty() ? "" : ",") + as_json(segment);
    }
    context.print(fmt::format(R"({{"segments":[{}],"missing":{},"records":[{}],"exit_code":{}}})", segments,
                              as_json(log.missing), records, exit_code));
    return exit_code;
  }
  Table table({{"segment"},
               {"records", Align::right},
               {"first offset", Align::right},
               {"last offset", Align::right},
               {"size", Align::right},
               {"first received"},
               {"last received"}});
  for (const app::InspectedSegment& segment : log.segments) {
    const bool is_empty = segment.records == 0;
    table.add_row({io::file_name(segment.path), offset_text(segment.records), offset_text(segment.first),
                   is_empty ? "-" : offset_text(segment.end - 1), format_bytes(segment.bytes),
                   is_empty ? "-" : segment.first_received_at, is_empty ? "-" : segment.last_received_at});
  }
  context.say(table.render(standard_output()));
  for (const app::InspectedSegment& segment : log.segments) {
    for (const std::string& finding : findings(segment)) {
      context.say(fmt::format("{}: {}", io::file_name(segment.path), finding));
    }
  }
  for (const app::InspectedLoss& loss : log.missing) {
    context.say(
        fmt::format("lost: offsets {} to {}, {}", offset_text(loss.first), offset_text(loss.end - 1), loss.reason));
  }
  return exit_code;
}

base::Result<int> inspect_object(const std::string& path, Context& context) {
  // Only what is in an object store needs the home, which knows how it is reached.
  io::Env& env = path.starts_with("s3://") ? SHOPLAKE_TRY(context.app())->env() : io::posix_env();
  const app::InspectedObject object = SHOPLAKE_TRY(app::inspect_object(env, path));
  const int exit_code = object.problem.empty() ? 0 : kDamaged;
  if (context.json) {
    context.print(fmt::format(
        R"({{"path":{},"bytes":{},"md5":{},"format":{},"problem":{},"payload_bytes":{},"records":{},"first_record":{},)"
        R"("last_record":{},"stream":{},"first_offset":{},"exit_code":{}}})",
        json_quoted(object.path), object.bytes, json_quoted(object.md5), json_quoted(object.format),
        object.problem.empty() ? "null" : json_quoted(object.problem), object.payload_bytes, object.records,
        json_quoted(object.first_record), json_quoted(object.last_record),
        object.stream.empty() ? "null" : json_quoted(object.stream),
        object.first_offset ? std::to_string(*object.first_offset) : "null", exit_code));
    return exit_code;
  }
  Table table({{""}, {""}});
  table.add_row({"size", format_bytes(object.bytes)});
  table.add_row({"MD5", object.md5});
  table.add_row({"format", object.format});
  if (object.first_offset) {
    table.add_row({"stream", object.stream});
    table.add_row({"first offset", std::to_string(*object.first_offset)});
  }
  if (object.format != "parquet") {
    table.add_row({"payload", format_bytes(object.payload_bytes)});
    table.add_row({"records", offset_text(object.records)});
    if (object.records > 0) {
      table.add_row({"first", shown(object.first_record)});
      table.add_row({"last", shown(object.last_record)});
    }
  }
  table.add_row({"readable", object.problem.empty() ? standard_output().styled(Style::good, "to its end")
                                                    : standard_output().styled(Style::warning, object.problem)});
  context.say(table.render(standard_output()));
  return exit_code;
}

}  // namespace

void add_inspect(CLI::App& root, Context& context) {
  auto* command = root.add_subcommand("inspect", "what is in a file of the log or a raw object, also if it is damaged");
  command->require_subcommand(1);
  command->footer("Example:\n  shoplake inspect wal shoplake-data/wal");
  auto path = std::make_shared<std::string>();
  auto options = std::make_shared<app::InspectOptions>();

  auto* wal = command->add_subcommand("wal", "segments of the write-ahead log: records, offsets, damage");
  wal->add_option("path", *path, "the folder of a log, or one segment")->required()->type_name("PATH");
  wal->add_option("--show", options->limit, "so many records, too")->check(CLI::Range(0, 100'000));
  wal->add_option("--from", options->from, "the first offset to show");
  wal->add_option("--stream", options->stream, "show this stream's records only");
  wal->footer(
      "Reads only, and may run beside a server.\n"
      "\n"
      "Examples:\n"
      "  shoplake inspect wal shoplake-data/wal\n"
      "  shoplake inspect wal shoplake-data/wal --show 5 --from 1200 --stream events\n"
      "\n"
      "Exit codes: 0 all of it is readable; 1 something is damaged; 2 there is no log; 4 disk or permission.");
  wal->callback([path, options, &context] { context.finish(inspect_wal(*path, *options, context)); });

  auto* object =
      command->add_subcommand("object", "a raw object: size, MD5, records, whether it can be read to its end");
  object->add_option("path", *path, "the file")->required()->type_name("FILE");
  object->footer(
      "Example:\n"
      "  shoplake inspect object shoplake-data/lake/raw/events/year=2026/month=11/day=21/events-1-….gz\n"
      "\n"
      "Exit codes: 0 it can be read to its end; 1 it is damaged; 2 there is no such file; 4 disk or permission.");
  object->callback([path, &context] { context.finish(inspect_object(*path, context)); });
}

}  // namespace shoplake::cli
