#include "model/config.h"

#include <algorithm>
#include <array>

#include "model/yaml.h"

namespace shoplake::model {
namespace {

constexpr std::array kMergedByKey{"meta",         "docs",   "persist_docs", "quoting",
                                  "column_types", "grants", "contract",     "snapshot_meta_column_names"};

std::string canonical_key(std::string key) {
  if (key == "pre_hook")
    return "pre-hook";
  if (key == "post_hook")
    return "post-hook";
  return key;
}

Json as_list(const Json& value) {
  if (value.is_null())
    return Json::array();
  return value.is_array() ? value : Json::array({value});
}

Json as_hooks(const Json& value) {
  Json hooks = Json::array();
  for (const Json& hook : as_list(value)) {
    if (hook.is_object()) {
      Json full = {
          {"sql", hook.value("sql", "")}, {"transaction", hook.value("transaction", true)}, {"index", nullptr}};
      hooks.push_back(std::move(full));
    } else {
      hooks.push_back({{"sql", scalar_text(hook)}, {"transaction", true}, {"index", nullptr}});
    }
  }
  return hooks;
}

void merge_one(Json& config, const std::string& name, const Json& value) {
  const std::string key = canonical_key(name);
  if (key == "tags" || key == "packages") {
    Json list = config.contains(key) ? as_list(config[key]) : Json::array();
    for (const Json& item : as_list(value)) {
      if (std::find(list.begin(), list.end(), item) == list.end())
        list.push_back(item);
    }
    config[key] = std::move(list);
  } else if (key == "pre-hook" || key == "post-hook") {
    Json hooks = config.contains(key) ? config[key] : Json::array();
    for (Json& hook : as_hooks(value))
      hooks.push_back(std::move(hook));
    config[key] = std::move(hooks);
  } else if (value.is_object() && config.contains(key) && config[key].is_object() &&
             std::find(kMergedByKey.begin(), kMergedByKey.end(), key) != kMergedByKey.end()) {
    for (const auto& [inner, inner_value] : value.items())
      config[key][inner] = inner_value;
  } else {
    config[key] = value;
  }
}

}  // namespace

Json tree_config(const Json& tree, const std::vector<std::string>& fqn) {
  Json config = Json::object();
  const Json* level = &tree;
  std::size_t depth = 0;
  while (level != nullptr && level->is_object()) {
    const Json* next = nullptr;
    for (const auto& [key, value] : level->items()) {
      if (key.starts_with("+")) {
        merge_one(config, key.substr(1), value);
      } else if (!value.is_object()) {
        merge_one(config, key, value);
      } else if (depth < fqn.size() && key == fqn[depth]) {
        next = &value;
      }
    }
    level = next;
    ++depth;
  }
  return config;
}

void merge_config(Json& config, const Json& over) {
  if (!over.is_object())
    return;
  for (const auto& [key, value] : over.items())
    merge_one(config, key, value);
}

Json default_config(ResourceType type) {
  if (type == ResourceType::test) {
    return Json{{"enabled", true},
                {"alias", nullptr},
                {"schema", "dbt_test__audit"},
                {"database", nullptr},
                {"tags", Json::array()},
                {"meta", Json::object()},
                {"group", nullptr},
                {"materialized", "test"},
                {"severity", "ERROR"},
                {"store_failures", nullptr},
                {"store_failures_as", nullptr},
                {"where", nullptr},
                {"limit", nullptr},
                {"fail_calc", "count(*)"},
                {"warn_if", "!= 0"},
                {"error_if", "!= 0"}};
  }
  if (type == ResourceType::unit_test)
    return Json{{"tags", Json::array()}, {"meta", Json::object()}, {"enabled", true}};
  if (type == ResourceType::source || type == ResourceType::exposure)
    return Json{{"enabled", true}};
  Json config{{"enabled", true},
              {"alias", nullptr},
              {"schema", nullptr},
              {"database", nullptr},
              {"tags", Json::array()},
              {"meta", Json::object()},
              {"group", nullptr},
              {"materialized", type == ResourceType::seed       ? "seed"
                               : type == ResourceType::snapshot ? "snapshot"
                                                                : "view"},
              {"incremental_strategy", nullptr},
              {"batch_size", nullptr},
              {"lookback", 1},
              {"begin", nullptr},
              {"persist_docs", Json::object()},
              {"post-hook", Json::array()},
              {"pre-hook", Json::array()},
              {"quoting", Json::object()},
              {"column_types", Json::object()},
              {"full_refresh", nullptr},
              {"unique_key", nullptr},
              {"on_schema_change", "ignore"},
              {"on_configuration_change", "apply"},
              {"grants", Json::object()},
              {"packages", Json::array()},
              {"docs", {{"show", true}, {"node_color", nullptr}}},
              {"contract", {{"enforced", false}, {"alias_types", true}}},
              {"event_time", nullptr},
              {"concurrent_batches", nullptr}};
  if (type == ResourceType::seed) {
    config["delimiter"] = ",";
    config["quote_columns"] = nullptr;
  } else if (type == ResourceType::snapshot) {
    for (const char* key :
         {"strategy", "target_schema", "target_database", "updated_at", "check_cols", "dbt_valid_to_current"})
      config[key] = nullptr;
    Json& names = config["snapshot_meta_column_names"] = Json::object();
    for (const char* key : {"dbt_valid_to", "dbt_valid_from", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted"})
      names[key] = nullptr;
  } else {
    config["access"] = "protected";
  }
  return config;
}

std::string config_text(const Json& config, std::string_view key) {
  const auto found = config.find(key);
  return found == config.end() || found->is_null() || found->is_object() || found->is_array() ? std::string()
                                                                                              : scalar_text(*found);
}

std::vector<std::string> config_list(const Json& config, std::string_view key) {
  std::vector<std::string> list;
  const auto found = config.find(key);
  if (found == config.end())
    return list;
  for (const Json& item : as_list(*found))
    list.push_back(scalar_text(item));
  return list;
}

bool config_flag(const Json& config, std::string_view key, bool otherwise) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null())
    return otherwise;
  if (found->is_boolean())
    return found->get<bool>();
  const std::string text = scalar_text(*found);
  if (text == "true" || text == "True" || text == "1")
    return true;
  if (text == "false" || text == "False" || text == "0" || text.empty())
    return false;
  return otherwise;
}

}  // namespace shoplake::model
