#include "contract/difference.h"

#include <algorithm>

#include <fmt/format.h>

namespace shoplake::contract {

namespace {

using Effect = Difference::Effect;

std::string_view treatment_text(Treatment treatment) {
  switch (treatment) {
    case Treatment::keep: return "kept";
    case Treatment::mask: return "masked";
    case Treatment::pseudonymize: return "pseudonymized";
    case Treatment::hash: return "hashed";
    case Treatment::truncate_ip: return "truncated";
    case Treatment::drop: return "dropped";
  }
  return "?";
}

class Comparison {
 public:
  std::vector<Difference> found;

  void fields(const std::vector<Field>& older, const std::vector<Field>& newer, const std::string& parent) {
    for (const Field& field : newer) {
      const Field* before = named(older, field.name);
      const std::string place = parent + field.name;
      if (before == nullptr) {
        added(field, place);
      } else {
        field_change(*before, field, place);
      }
    }
    for (const Field& field : older) {
      if (named(newer, field.name) == nullptr)
        removed(field, newer, parent + field.name);
    }
  }

  void add(Effect effect, std::string place, std::string what) {
    found.push_back({effect, std::move(place), std::move(what)});
  }

 private:
  static const Field* named(const std::vector<Field>& fields, std::string_view name) {
    const auto at = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == name; });
    return at == fields.end() ? nullptr : &*at;
  }

  void added(const Field& field, const std::string& place) {
    const std::string type = type_text(field.type, field.decimal);
    if (field.required) {
      add(Effect::breaking, place, fmt::format("is new and required ({}): files without it are rejected", type));
    } else {
      add(Effect::compatible, place, fmt::format("is new ({}): NULL in the rows that are there", type));
    }
  }

  void removed(const Field& field, const std::vector<Field>& newer, const std::string& place) {
    const auto renamed = std::find_if(newer.begin(), newer.end(), [&](const Field& other) {
      return std::find(other.also.begin(), other.also.end(), field.name) != other.also.end();
    });
    if (renamed != newer.end()) {
      add(Effect::breaking, place,
          fmt::format("is now read into {}: the column stays and is NULL from now on, readers use the new one",
                      renamed->name));
      return;
    }
    add(Effect::breaking, place,
        "is gone: the column stays and is NULL from now on, values are kept with the unknown fields");
  }

  void field_change(const Field& older, const Field& newer, const std::string& place) {
    if (older.type != newer.type || older.decimal != newer.decimal) {
      const bool fits = widens(older.type, older.decimal, newer.type, newer.decimal);
      add(fits ? Effect::compatible : Effect::breaking, place,
          fmt::format("{} becomes {}{}", type_text(older.type, older.decimal), type_text(newer.type, newer.decimal),
                      fits ? ": the column is widened" : ": the column cannot; give it a new name"));
      if (!fits)
        return;
    }
    if (newer.required != older.required) {
      add(newer.required ? Effect::stricter : Effect::compatible, place,
          newer.required ? "becomes required" : "is no longer required");
    }
    if (newer.treatment != older.treatment) {
      add(newer.treatment == Treatment::drop ? Effect::breaking : Effect::compatible, place,
          fmt::format("was {}, is {} from now on; rows that are there stay as they are",
                      treatment_text(older.treatment), treatment_text(newer.treatment)));
    }
    if (newer.format.text() != older.format.text() || newer.is_date != older.is_date)
      add(Effect::stricter, place, "has another format");
    for (const std::string& other : older.also) {
      if (std::find(newer.also.begin(), newer.also.end(), other) == newer.also.end() && other != newer.name)
        add(Effect::stricter, place, fmt::format("is no longer read from {}", other));
    }
    for (const std::string& other : newer.also) {
      if (std::find(older.also.begin(), older.also.end(), other) == older.also.end())
        add(Effect::compatible, place, fmt::format("is also read from {}", other));
    }
    limits(older, newer, place);
    const std::string prefix = newer.type == Type::list ? place + "[]." : place + ".";
    if (newer.type == Type::list &&
        (newer.fields.front().fields.empty() || newer.fields.front().type != older.fields.front().type)) {
      field_change(older.fields.front(), newer.fields.front(), place + "[]");
    } else if (newer.type == Type::list) {
      fields(older.fields.front().fields, newer.fields.front().fields, prefix);
    } else {
      fields(older.fields, newer.fields, prefix);
    }
  }

  void limits(const Field& older, const Field& newer, const std::string& place) {
    const Limits& before = older.limits;
    const Limits& after = newer.limits;
    // Bounds of a decimal are in its last digit: the same of both only at one scale.
    const bool narrower = after.min > before.min || after.max < before.max || after.real_min > before.real_min ||
                          after.real_max < before.real_max || after.length_min > before.length_min ||
                          after.length_max < before.length_max;
    const bool wider = after.min < before.min || after.max > before.max || after.real_min < before.real_min ||
                       after.real_max > before.real_max || after.length_min < before.length_min ||
                       after.length_max > before.length_max;
    if (narrower)
      add(Effect::stricter, place, "has narrower limits");
    if (wider)
      add(Effect::compatible, place, "has wider limits");
    if (after.values != before.values) {
      const bool superset =
          after.values.empty() || (!before.values.empty() && std::includes(after.values.begin(), after.values.end(),
                                                                           before.values.begin(), before.values.end()));
      add(superset ? Effect::compatible : Effect::stricter, place,
          superset ? "allows more values" : "does not allow all values that it allowed before");
    }
    const std::string pattern_before = before.pattern ? before.pattern->text() : "";
    const std::string pattern_after = after.pattern ? after.pattern->text() : "";
    if (pattern_after != pattern_before)
      add(pattern_after.empty() ? Effect::compatible : Effect::stricter, place,
          pattern_after.empty() ? "needs no pattern any more" : "has another pattern");
  }
};

}  // namespace

std::string_view name(Difference::Effect effect) {
  switch (effect) {
    case Effect::compatible: return "compatible";
    case Effect::stricter: return "stricter";
    case Effect::breaking: break;
  }
  return "breaking";
}

std::string type_text(Type type, DecimalShape shape) {
  return type == Type::decimal ? decimal_type_text(shape) : std::string(name(type));
}

bool widens(Type from, DecimalShape from_shape, Type to, DecimalShape to_shape) {
  if (from != to)
    return false;
  return from != Type::decimal || (from_shape.scale == to_shape.scale && from_shape.precision <= to_shape.precision);
}

std::vector<Difference> differences(const Contract& older, const Contract& newer) {
  Comparison comparison;
  if (older.table != newer.table)
    comparison.add(Effect::breaking, "table", fmt::format("{} becomes {}: another table", older.table, newer.table));
  if (older.partitioning.columns != newer.partitioning.columns) {
    comparison.add(Effect::breaking, "partition_by",
                   "changes: the table that is there keeps its partitions; load into a new one");
  }
  if (older.event_identity != newer.event_identity || older.client_event_id != newer.client_event_id)
    comparison.add(Effect::breaking, "event_identity", "changes: events that are there are no longer found again");
  if (older.unknown_fields_column != newer.unknown_fields_column)
    comparison.add(Effect::breaking, "unknown_fields", "has another column");
  if (older.key != newer.key || older.duplicate_key != newer.duplicate_key) {
    comparison.add(newer.duplicate_key == Contract::DuplicateKey::reject ? Effect::stricter : Effect::compatible, "key",
                   "changes");
  }
  if (newer.record_bytes_max < older.record_bytes_max || newer.file_bytes_max < older.file_bytes_max)
    comparison.add(Effect::stricter, "record_bytes_max", "or file_bytes_max is smaller");
  comparison.fields(older.fields, newer.fields, "");
  for (const ComputedField& field : newer.computed) {
    const ComputedField* before = older.find_computed(field.name);
    if (before == nullptr) {
      comparison.add(Effect::compatible, field.name, "is new and computed: NULL in the rows that are there");
      continue;
    }
    const bool fits =
        widens(before->expression.type, before->expression.decimal, field.expression.type, field.expression.decimal);
    if (!fits) {
      comparison.add(Effect::breaking, field.name,
                     fmt::format("{} becomes {}", type_text(before->expression.type, before->expression.decimal),
                                 type_text(field.expression.type, field.expression.decimal)));
    } else if (before->text != field.text) {
      comparison.add(Effect::compatible, field.name,
                     "is computed in another way from now on; rows that are there stay as they are");
    }
  }
  for (const ComputedField& field : older.computed) {
    if (newer.find_computed(field.name) == nullptr)
      comparison.add(Effect::breaking, field.name, "is computed no longer: NULL from now on");
  }
  return std::move(comparison.found);
}

}  // namespace shoplake::contract
