// Exposures: what outside the project reads its models.
#include "model/parser_steps.h"

#include <utility>

#include <fmt/format.h>

#include "model/config.h"
#include "model/documentation.h"
#include "model/reference.h"

namespace shoplake::model {

Result<void> read_exposure(Parsing& parsing, const Property& property) {
  const Json& block = property.block;
  Exposure exposure;
  exposure.name = block["name"].get<std::string>();
  exposure.package = property.package->name;
  exposure.unique_id = fmt::format("exposure.{}.{}", exposure.package, exposure.name);
  exposure.original_file_path = property.file;
  exposure.fqn = make_fqn(exposure.package, property.path_in_folder, {exposure.name});
  exposure.type = config_text(block, "type");
  exposure.label = config_text(block, "label");
  exposure.maturity = config_text(block, "maturity");
  exposure.url = config_text(block, "url");
  if (block.contains("description"))
    exposure.description = resolve_docs(scalar_text(block["description"]), parsing.manifest, exposure.package);
  if (block.contains("owner") && block["owner"].is_object())
    exposure.owner = block["owner"];
  Json config = block.contains("config") && block["config"].is_object() ? block["config"] : Json::object();
  for (const char* key : {"tags", "meta"}) {
    if (block.contains(key))
      merge_config(config, Json{{key, block[key]}});
  }
  exposure.tags = config_list(config, "tags");
  if (config.contains("meta") && config["meta"].is_object())
    exposure.meta = config["meta"];
  if (!config_flag(config, "enabled", true))
    return {};
  for (const std::string& text : config_list(block, "depends_on")) {
    const Reference reference = SHOPLAKE_TRY(parse_reference(text).within(property.place("/depends_on")));
    std::string id;
    if (reference.ref) {
      exposure.refs.push_back(*reference.ref);
      if (const Node* node = parsing.manifest.find_ref(*reference.ref, exposure.package))
        id = node->unique_id;
    } else if (reference.source) {
      exposure.sources.push_back(*reference.source);
      if (const Source* source = parsing.manifest.find_source(*reference.source, exposure.package))
        id = source->unique_id;
    }
    if (id.empty())
      return property_error(property.place("/depends_on"),
                            fmt::format("the exposure {} depends on {}, which does not exist", exposure.name, text));
    exposure.depends_on.push_back(id);
  }
  parsing.manifest.exposures[exposure.unique_id] = std::move(exposure);
  return {};
}

}  // namespace shoplake::model
