#include "transform/dead_letters.h"

#include <fmt/format.h>

namespace shoplake::transform {

namespace {

// The length of the well-formed UTF-8 sequence at the begin of `text`, or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  const auto continues = [&](std::size_t at) { return (byte(at) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80)
    return 1;
  if (lead >= 0xC2 && lead < 0xE0)
    return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead < 0xF0) {
    if (!continues(1) || !continues(2))
      return 0;
    if (lead == 0xE0 && byte(1) < 0xA0)
      return 0;
    if (lead == 0xED && byte(1) >= 0xA0)
      return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead < 0xF5) {
    if (!continues(1) || !continues(2) || !continues(3))
      return 0;
    if (lead == 0xF0 && byte(1) < 0x90)
      return 0;
    if (lead == 0xF4 && byte(1) >= 0x90)
      return 0;
    return 4;
  }
  return 0;
}

// Text that is valid UTF-8, at most kQuarantineTextBytes of the input.
std::string printable(std::string_view record) {
  std::string text;
  record = record.substr(0, kQuarantineTextBytes);
  text.reserve(record.size());
  while (!record.empty()) {
    const std::size_t length = utf8_length(record);
    if (length == 0) {
      text += fmt::format("\\x{:02X}", static_cast<unsigned char>(record[0]));
      record.remove_prefix(1);
    } else {
      text.append(record.substr(0, length));
      record.remove_prefix(length);
    }
  }
  return text;
}

}  // namespace

std::vector<Column> quarantine_columns() {
  using contract::Type;
  return {
      {"dataset", Type::text, {}},         {"reason_code", Type::text, {}}, {"message", Type::text, {}},
      {"source_object", Type::text, {}},   {"line", Type::integer, {}},     {"byte_offset", Type::integer, {}},
      {"record_bytes", Type::integer, {}}, {"record", Type::text, {}},      {"quarantined_at", Type::timestamp, {}}};
}

struct DeadLetters::State {
  explicit State(const TransformOptions& given) : options(given), layout(*given.quarantine_layout) {}

  const TransformOptions& options;
  const Layout& layout;
  contract::Contract plain;  // no identity, no treatment
  std::unique_ptr<RecordBuilder> builder;
  std::unique_ptr<PartitionFiles> files;
  Result<void> outcome;
  std::string path_stem;

  std::uint16_t node(std::string_view name) const {
    for (std::uint16_t index : layout.top_level) {
      if (layout.nodes[index].name == name)
        return index;
    }
    SHOPLAKE_CHECK(false);
    return 0;
  }

  void open() {
    builder = std::make_unique<RecordBuilder>(
        layout, plain, [this](bool reuse) { return files->acquire(reuse); },
        [this](std::size_t, std::unique_ptr<ColumnSet> set, bool is_last) {
          if (!outcome.ok())
            return;
          outcome = is_last ? files->submit_last(0, "", std::move(set)) : files->submit(0, "", std::move(set));
        });
    PartitionFilesOptions file_options;
    file_options.env = options.env;
    file_options.layout = &layout;
    file_options.dictionaries = &builder->dictionaries();
    const auto constant = [&](std::string_view name) -> Constant& {
      return file_options.constants[layout.nodes[node(name)].leaf];
    };
    constant("dataset").text = options.contract->dataset;
    constant("source_object").text = options.source_object;
    file_options.directory = options.quarantine_directory;
    file_options.file_stem = options.env->new_uuid();
    files = std::make_unique<PartitionFiles>(std::move(file_options));
  }
};

DeadLetters::DeadLetters(const TransformOptions& options) : state_(std::make_unique<State>(options)) {}
DeadLetters::~DeadLetters() = default;

Result<void> DeadLetters::add(const DeadLetter& letter) {
  State& state = *state_;
  if (!state.builder)
    state.open();
  ++count_;
  ++by_reason_[std::string(letter.reason)];
  const std::string record = printable(letter.record);
  RecordBuilder& builder = *state.builder;
  SHOPLAKE_CHECK(builder.begin(""));
  builder.set_text(state.node("reason_code"), letter.reason);
  builder.set_text(state.node("message"), printable(letter.message));
  builder.set_integer(state.node("line"), letter.line);
  if (letter.byte_offset >= 0)
    builder.set_integer(state.node("byte_offset"), letter.byte_offset);
  builder.set_integer(state.node("record_bytes"), letter.record_bytes);
  builder.set_text(state.node("record"), record);
  builder.set_integer(state.node("quarantined_at"),
                      letter.received_at_micros != 0 ? letter.received_at_micros : state.options.ingested_at_micros);
  builder.finish({0, 0, 4 * record.size() + letter.message.size(), {}});
  return state.outcome;
}

Result<std::vector<DataFile>> DeadLetters::finish() {
  State& state = *state_;
  if (!state.builder)
    return std::vector<DataFile>();
  state.builder->flush();
  SHOPLAKE_TRY(state.outcome);
  return state.files->finish();
}

}  // namespace shoplake::transform
