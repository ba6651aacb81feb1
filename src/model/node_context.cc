#include "model/node_context.h"

#include "model/artifacts.h"

namespace shoplake::model {

NodeContext context_of(const Node& node) {
  NodeContext context;
  context.unique_id = node.unique_id;
  context.package = node.package;
  context.path = node.original_file_path;
  context.model = node_to_json(node);
  context.config = node.config;
  return context;
}

}  // namespace shoplake::model
