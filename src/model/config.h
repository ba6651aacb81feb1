// dbt's configuration of a node: what dbt_project.yml, the properties file and config() in the file say, merged by
// dbt's rules (the more specific wins; tags and hooks add up; meta, docs, column_types and the like merge key by key).
// Source: https://docs.getdbt.com/reference/configs-and-properties
#pragma once

#include <string>
#include <vector>

#include "model/manifest.h"

namespace shoplake::model {

// What a configuration tree of dbt_project.yml ("models:") says about the node of that fqn, outer levels first.
// A level holds configuration (keys with +, or plain values) and deeper levels (mappings named like the next part).
Json tree_config(const Json& tree, const std::vector<std::string>& fqn);

// Lays `over` on `config`. Spellings are unified: pre_hook → pre-hook, a single tag → a list, a hook → {"sql", …}.
void merge_config(Json& config, const Json& over);

// What holds where nothing is said: {"enabled": true, "materialized": "view", …}.
Json default_config(ResourceType type);

// A configuration value that may be absent, null or a string.
std::string config_text(const Json& config, std::string_view key);
std::vector<std::string> config_list(const Json& config, std::string_view key);  // one string, or a list of them
bool config_flag(const Json& config, std::string_view key, bool otherwise);      // booleans, and "true"/"false" as text

}  // namespace shoplake::model
