#include "transform/layout.h"

#include <algorithm>

#include <fmt/format.h>

namespace shoplake::transform {

namespace {

using contract::Field;
using contract::Type;

ColumnType leaf_type(Type type) {
  switch (type) {
    case Type::boolean: return ColumnType::boolean;
    case Type::integer: return ColumnType::integer;
    case Type::real: return ColumnType::real;
    case Type::timestamp: return ColumnType::timestamp;
    case Type::date: return ColumnType::date;
    case Type::decimal: return ColumnType::decimal;
    default: return ColumnType::text;
  }
}

bool is_column(const Field& field) { return field.treatment != contract::Treatment::drop; }

Column column_of(const Field& field) {
  Column column{field.name, field.type, {}, field.decimal};
  for (const Field& child : field.fields) {
    if (is_column(child))
      column.children.push_back(column_of(child));
  }
  return column;
}

Field field_of(const Column& column) {
  Field field;
  field.name = column.name;
  field.type = column.type;
  field.decimal = column.decimal;
  for (const Column& child : column.children)
    field.fields.push_back(field_of(child));
  return field;
}

class Builder {
 public:
  explicit Builder(const FieldIds& field_ids) : field_ids_(field_ids) { layout_.streams.push_back({}); }

  Result<std::uint16_t> add(const Field& field, std::int16_t parent, std::uint16_t stream, std::uint8_t parent_level,
                            bool is_element) {
    const auto index = static_cast<std::uint16_t>(layout_.nodes.size());
    layout_.nodes.emplace_back();
    {
      Node& node = layout_.nodes.back();
      node.name = field.name;
      if (parent >= 0) {
        const Node& above = layout_.nodes[parent];
        node.path = above.path + "." + field.name;
        node.json_path = is_element ? above.json_path + "[]" : above.json_path + "." + field.name;
      } else {
        node.path = node.json_path = field.name;
      }
      node.parent = parent;
      node.stream = stream;
      node.level = static_cast<std::uint8_t>(parent_level + 1);
      node.is_element = is_element;
      node.treatment = field.treatment;
      node.required = field.required;
      node.is_date = field.is_date;
      node.decimal = field.decimal;
      node.min = field.limits.min;
      node.max = field.limits.max;
      node.format = field.format;
      if (field.limits.limits_text() || field.limits.limits_real())
        node.limits = std::make_shared<contract::Limits>(field.limits);
      node.field_id = field_ids_(node.path);
      if (node.field_id == 0 && !is_column(field)) {
        node.kind = Node::Kind::dropped;
        node.type = leaf_type(field.type);
        if (parent < 0)
          layout_.top_level.push_back(index);
        return index;
      }
      if (node.field_id == 0) {
        return base::make_error(base::ErrorKind::failed, "transform.schema_mismatch",
                                fmt::format("The table has no column {}, which the contract declares", node.path),
                                "Add the column to the table, or load into a new table.");
      }
    }
    if (field.type == Type::structure) {
      layout_.nodes[index].kind = Node::Kind::structure;
      for (const Field& child : field.fields) {
        const std::uint16_t child_index =
            SHOPLAKE_TRY(add(child, static_cast<std::int16_t>(index), stream, layout_.nodes[index].level, false));
        layout_.nodes[index].children.push_back(child_index);
      }
    } else if (field.type == Type::list) {
      layout_.nodes[index].kind = Node::Kind::list;
      const auto child_stream = static_cast<std::uint16_t>(layout_.streams.size());
      layout_.nodes[index].child_stream = child_stream;
      Stream opened;
      opened.parent = stream;
      opened.list = static_cast<std::int16_t>(index);
      opened.repetition_level = static_cast<std::uint8_t>(layout_.streams[stream].repetition_level + 1);
      layout_.streams.push_back(opened);
      // One level for "has elements", one for "the element is present".
      const std::uint16_t element =
          SHOPLAKE_TRY(add(field.fields.front(), static_cast<std::int16_t>(index), child_stream,
                           static_cast<std::uint8_t>(layout_.nodes[index].level + 1), true));
      layout_.nodes[index].children.push_back(element);
      layout_.streams[child_stream].element = element;
    } else {
      layout_.nodes[index].type = leaf_type(field.type);
      layout_.nodes[index].leaf = static_cast<std::int16_t>(layout_.leaves.size());
      layout_.leaves.push_back(index);
    }
    if (parent < 0)
      layout_.top_level.push_back(index);
    return index;
  }

  Result<std::int16_t> add_column(std::string_view name, Type type, contract::DecimalShape decimal = {}) {
    Field field;
    field.name = name;
    field.type = type;
    field.decimal = decimal;
    return static_cast<std::int16_t>(SHOPLAKE_TRY(add(field, -1, 0, 0, false)));
  }

  Layout layout_;

 private:
  const FieldIds& field_ids_;
};

std::int16_t child(const Layout& layout, std::int16_t node, std::string_view name) {
  if (node < 0)
    return -1;
  for (std::uint16_t index : layout.nodes[node].children) {
    if (layout.nodes[index].name == name)
      return static_cast<std::int16_t>(index);
  }
  return -1;
}

std::int16_t top(const Layout& layout, std::string_view name) {
  for (std::uint16_t index : layout.top_level) {
    if (layout.nodes[index].name == name)
      return static_cast<std::int16_t>(index);
  }
  return -1;
}

void assign_roles(Layout& layout, const contract::Contract& contract) {
  const auto set = [&](std::int16_t node, Role role, Node::Kind kind = Node::Kind::leaf) {
    if (node >= 0 && (layout.nodes[node].kind == kind || layout.nodes[node].kind == Node::Kind::dropped))
      layout.nodes[node].role = role;
  };
  set(top(layout, "stream_id"), Role::stream_id);
  set(top(layout, "user_id"), Role::user_id);
  set(top(layout, "user_pseudo_id"), Role::user_pseudo_id);
  set(top(layout, "event_name"), Role::event_name);
  set(top(layout, "event_timestamp"), Role::event_timestamp);
  set(top(layout, "batch_page_id"), Role::batch_page_id);
  set(top(layout, "batch_ordering_id"), Role::batch_ordering_id);
  set(top(layout, "batch_event_index"), Role::batch_event_index);
  for (const std::string& name : contract.client_event_id)
    set(top(layout, name), Role::client_event_id);
  const std::int16_t params = top(layout, "event_params");
  if (params >= 0 && layout.nodes[params].kind == Node::Kind::list) {
    set(params, Role::params, Node::Kind::list);
    const std::int16_t element = child(layout, params, "element");
    const std::int16_t value = child(layout, element, "value");
    set(child(layout, element, "key"), Role::param_key);
    set(child(layout, value, "string_value"), Role::param_string);
    set(child(layout, value, "int_value"), Role::param_int);
    set(child(layout, value, "float_value"), Role::param_real);
    set(child(layout, value, "double_value"), Role::param_real);
  }
}

}  // namespace

std::vector<Column> table_columns(const contract::Contract& contract) {
  std::vector<Column> columns;
  for (const Field& field : contract.fields) {
    if (is_column(field))
      columns.push_back(column_of(field));
  }
  for (const contract::ComputedField& field : contract.computed)
    columns.push_back({field.name, field.expression.type, {}, field.expression.decimal});
  columns.push_back({contract.unknown_fields_column, Type::text, {}});
  if (contract.has_computed_event_id())
    columns.push_back({std::string(kEventIdColumn), Type::text, {}});
  columns.push_back({std::string(kSourceObjectColumn), Type::text, {}});
  columns.push_back({std::string(kLineColumn), Type::integer, {}});
  columns.push_back({std::string(kIngestedAtColumn), Type::timestamp, {}});
  return columns;
}

Result<Layout> make_layout(const contract::Contract& contract, const FieldIds& field_ids) {
  Builder builder(field_ids);
  Layout& layout = builder.layout_;
  for (const Field& field : contract.fields)
    layout.fields.push_back(SHOPLAKE_TRY(builder.add(field, -1, 0, 0, false)));
  for (const contract::ComputedField& field : contract.computed) {
    const std::int16_t node =
        SHOPLAKE_TRY(builder.add_column(field.name, field.expression.type, field.expression.decimal));
    layout.nodes[node].is_computed = true;
    layout.fields.push_back(static_cast<std::uint16_t>(node));
  }
  layout.unknown_fields = SHOPLAKE_TRY(builder.add_column(contract.unknown_fields_column, Type::text));
  layout.nodes[layout.unknown_fields].treatment = contract.unknown_fields_treatment;
  layout.nodes[layout.unknown_fields].is_unique = true;
  if (contract.has_computed_event_id()) {
    layout.event_id = SHOPLAKE_TRY(builder.add_column(kEventIdColumn, Type::text));
    layout.nodes[layout.event_id].is_unique = true;
  } else if (contract.event_identity == contract::EventIdentity::client_id) {
    layout.nodes[top(layout, contract.event_id_column())].is_unique = true;
  }
  layout.source_object = SHOPLAKE_TRY(builder.add_column(kSourceObjectColumn, Type::text));
  layout.line = SHOPLAKE_TRY(builder.add_column(kLineColumn, Type::integer));
  layout.ingested_at = SHOPLAKE_TRY(builder.add_column(kIngestedAtColumn, Type::timestamp));
  layout.partition_by = contract.partitioning.by;
  if (layout.partition_by != contract::Partitioning::By::nothing)
    layout.partition_source = top(layout, contract.partitioning.source);
  if (contract.event_identity == contract::EventIdentity::canonical ||
      contract.event_identity == contract::EventIdentity::user_name_time)
    assign_roles(layout, contract);
  if (contract.event_identity == contract::EventIdentity::client_id) {
    layout.nodes[top(layout, contract.event_id_column())].role = Role::client_event_id;
    if (contract.partition_time() != nullptr)
      layout.nodes[layout.partition_source].role = Role::event_timestamp;
  }
  return std::move(layout);
}

Result<Layout> make_layout(const std::vector<Column>& columns, const FieldIds& field_ids) {
  Builder builder(field_ids);
  for (const Column& column : columns)
    SHOPLAKE_TRY(builder.add(field_of(column), -1, 0, 0, false));
  return std::move(builder.layout_);
}

}  // namespace shoplake::transform
