// Members of metadata documents and REST updates, looked at with an error that names what is missing. Internal to
// catalog/metadata_*.cc.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace shoplake::catalog::metadata_json {

using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;

inline constexpr std::int32_t kFirstPartitionId = 1000;

inline base::Error bad_request(const std::string& what) {
  return make_error(ErrorKind::input, "catalog.bad_request", what);
}

inline Result<std::int64_t> integer(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not an integer");
  }
  return found->get<std::int64_t>();
}

inline Result<std::string> text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return bad_request("\"" + std::string(key) + "\" is missing or not a string");
  }
  return found->get<std::string>();
}

inline Result<const json*> part(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || (!found->is_object() && !found->is_array())) {
    return bad_request("\"" + std::string(key) + "\" is missing or neither an object nor a list");
  }
  return &*found;
}

inline json& list_of(json& document, const char* key) {
  json& list = document[key];
  if (!list.is_array()) {
    list = json::array();
  }
  return list;
}

inline json* find_by(json& list, const char* key, std::int64_t id) {
  for (json& item : list) {
    if (item.is_object() && item.contains(key) && item[key].is_number_integer() &&
        item[key].get<std::int64_t>() == id) {
      return &item;
    }
  }
  return nullptr;
}

inline std::int64_t integer_or(const json& document, const char* key, std::int64_t fallback) {
  const auto found = document.find(key);
  return found == document.end() || !found->is_number_integer() ? fallback : found->get<std::int64_t>();
}

// Without its id: what makes two schemas, specs or orders the same.
json without(json value, const char* key);

// Adds a schema in JSON form, or finds the same one; returns its id.
std::int32_t add_schema_json(json& document, json schema);

}  // namespace shoplake::catalog::metadata_json
