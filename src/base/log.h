// Structured logs: one JSON object (or one plain line, on a terminal) an event, to standard error. Levels: debug, info,
// warning, error; ERROR means that data was lost or a human is needed. Every call names a stable event and its fields:
//   log::info("load.committed", {{"table", "processed.events"}, {"rows", 24219}});
// Thread safe. The sink and level are set once, at start, by app.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace shoplake::base::log {

enum class Level { debug, info, warning, error, off };

using Value = std::variant<std::string, std::int64_t, double, bool>;

struct Field {
  Field(std::string_view name, std::string_view value) : name(name), value(std::string(value)) {}
  Field(std::string_view name, const char* value) : name(name), value(std::string(value)) {}
  Field(std::string_view name, const std::string& value) : name(name), value(value) {}
  Field(std::string_view name, bool value) : name(name), value(value) {}
  Field(std::string_view name, double value) : name(name), value(value) {}
  template <typename Integer>
  requires std::is_integral_v<Integer> Field(std::string_view name, Integer value)
      : name(name), value(static_cast<std::int64_t>(value)) {}

  std::string_view name;
  Value value;
};

void configure(Level level, bool json);
bool enabled(Level level);  // to skip fields that cost something to make
void write(Level level, std::string_view event, std::initializer_list<Field> fields);

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::debug, event, fields);
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::info, event, fields);
}
inline void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::warning, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::error, event, fields);
}

}  // namespace shoplake::base::log
