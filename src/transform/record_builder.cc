#include "transform/record_builder.h"

#include <algorithm>
#include <type_traits>

#include <fmt/format.h>

namespace shoplake::transform {

namespace {

// Adds the nodes below a structure. False: what stands there is more than values of columns.
bool add_nodes_below(const Layout& layout, std::uint16_t structure, std::vector<std::uint16_t>& below) {
  for (const std::uint16_t child : layout.nodes[structure].children) {
    const Node& node = layout.nodes[child];
    const bool is_dropped = node.treatment == contract::Treatment::drop;
    if (node.kind == Node::Kind::list || (is_dropped && node.role != Role::none))
      return false;
    if (is_dropped)
      continue;
    if (node.kind == Node::Kind::leaf && node.type == ColumnType::text && node.is_unique)
      return false;  // it has no dictionary
    below.push_back(child);
    if (node.kind == Node::Kind::structure && !add_nodes_below(layout, child, below))
      return false;
  }
  return true;
}

}  // namespace

RecordBuilder::RecordBuilder(const Layout& layout, const contract::Contract& contract, Supplier supplier,
                             Receiver receiver)
    : layout_(layout),
      supplier_(std::move(supplier)),
      receiver_(std::move(receiver)),
      slots_(layout.streams.size()),
      first_element_(layout.streams.size()),
      element_(layout.streams.size()),
      recent_(layout.leaves.size() * kRecentElements),
      repeatable_(layout.nodes.size()),
      client_event_id_names_(contract.client_event_id),
      computed_(contract, layout) {
  dictionaries_.resize(layout.leaves.size());
  for (std::size_t leaf = 0; leaf < layout.leaves.size(); ++leaf) {
    const Node& node = layout.nodes[layout.leaves[leaf]];
    if (node.type == ColumnType::text && !node.is_unique)
      dictionaries_[leaf] = std::make_unique<Dictionary>();
  }
  std::vector<bool> is_within(layout.nodes.size());  // a structure that can be repeated
  for (std::uint16_t index = 0; index < layout.nodes.size(); ++index) {
    std::vector<std::uint16_t> below;
    if (layout.nodes[index].kind != Node::Kind::structure || is_within[index] || !add_nodes_below(layout, index, below))
      continue;
    Repeatable& repeatable = repeatable_[index];
    for (const std::uint16_t node : below) {
      is_within[node] = true;
      if (layout.nodes[node].role != Role::none)
        repeatable.of_identity.push_back(repeatable.fields.size());
      repeatable.fields.emplace_back().node = node;
    }
  }
  if (contract.duplicate_key == contract::Contract::DuplicateKey::reject) {
    keys_ = std::make_unique<RecordKeys>();
    for (std::size_t field = 0; field < contract.fields.size(); ++field) {
      if (std::find(contract.key.begin(), contract.key.end(), contract.fields[field].name) != contract.key.end())
        key_nodes_.push_back(layout.fields[field]);
    }
  }
  hash_key_ = contract.hash_key;
  has_identity_ = contract.event_identity != contract::EventIdentity::none;
  if (has_identity_ && contract.event_identity != contract::EventIdentity::client_id) {
    hasher_ = std::make_unique<event::IdentityHasher>(contract.event_identity == contract::EventIdentity::canonical
                                                          ? event::IdentityHasher::Rule::canonical
                                                          : event::IdentityHasher::Rule::user_name_time);
  }
}

void RecordBuilder::append_key(std::uint16_t node, std::string& key) const {
  const LeafValues& leaf = set_->leaves[layout_.nodes[node].leaf];
  std::string_view bytes;
  if (layout_.nodes[node].type != ColumnType::text) {
    bytes = layout_.nodes[node].type == ColumnType::boolean
                ? std::string_view(reinterpret_cast<const char*>(&leaf.flags.back()), sizeof(leaf.flags.back()))
                : std::string_view(reinterpret_cast<const char*>(&leaf.words.back()), sizeof(leaf.words.back()));
  } else if (leaf.is_plain) {
    bytes = std::string_view(leaf.plain.data() + leaf.starts.back(), leaf.plain.size() - leaf.starts.back());
  } else {
    bytes = dictionaries_[layout_.nodes[node].leaf]->written(leaf.ids.back());
  }
  // Lengths keep ("a", "bc") and ("ab", "c") apart; a plain text has its own in front.
  const auto size = static_cast<std::uint32_t>(bytes.size());
  if (!leaf.is_plain || layout_.nodes[node].type != ColumnType::text)
    key.append(reinterpret_cast<const char*>(&size), sizeof(size));
  key.append(bytes);
}

bool RecordBuilder::accepts_new_key(Rejection& rejection) {
  key_.clear();
  for (const std::uint16_t node : key_nodes_)
    append_key(node, key_);
  switch (keys_->add(key_)) {
    case RecordKeys::Outcome::added: return true;
    case RecordKeys::Outcome::known:
      rejection = {reason::kDuplicateKey, "an earlier record of the file has the same key"};
      return false;
    case RecordKeys::Outcome::full: break;
  }
  rejection = {reason::kTooManyKeys,
               fmt::format("the file has more than {} records, so that duplicate keys cannot be told; split it",
                           RecordKeys::kKeysMax)};
  return false;
}

bool RecordBuilder::begin(std::string_view partition) {
  ++record_number_;
  if (set_ == nullptr || partitions_[current_] != partition) {
    if (set_ != nullptr) {
      sets_[current_].left_at = record_number_;
      sets_[current_].is_shrunk = false;
      set_ = nullptr;
    }
    const auto known = partition_numbers_.find(std::string(partition));
    if (known != partition_numbers_.end()) {
      current_ = known->second;
    } else {
      if (partitions_.size() >= kPartitionsMax)
        return false;
      current_ = partitions_.size();
      partitions_.emplace_back(partition);
      partition_numbers_.emplace(partition, current_);
      sets_.emplace_back();
    }
    if (!sets_[current_].set) {
      settle_cold_sets();
      sets_[current_].set = supplier_(open_sets_ < kReusedSetsMax);
      ++open_sets_;
    }
    set_ = sets_[current_].set.get();
  }
  slots_[0] = set_->rows;
  elements_ = 0;
  if (has_identity_)
    identity_.clear();
  return true;
}

bool RecordBuilder::finish(const End& end) {
  ColumnSet& set = *set_;
  if (!end.unknown_fields.empty() && layout_.unknown_fields >= 0)
    set_text(static_cast<std::uint16_t>(layout_.unknown_fields), end.unknown_fields);
  std::string_view event_id;
  if (layout_.event_id >= 0 && hasher_) {
    identity_.client_event_id = client_event_id();
    if (identity_.client_event_id->empty())
      identity_.client_event_id.reset();
    const auto node = static_cast<std::uint16_t>(layout_.event_id);
    LeafValues& leaf = set.leaves[layout_.nodes[node].leaf];
    mark(node, layout_.nodes[node].level);
    leaf.is_plain = true;
    leaf.starts.push_back(static_cast<std::uint32_t>(leaf.plain.size()));
    char* place = leaf.plain.extend(sizeof(std::uint32_t) + event::kIdentityLength);
    const auto length = static_cast<std::uint32_t>(event::kIdentityLength);
    std::memcpy(place, &length, sizeof(length));
    hasher_->hash(identity_, place + sizeof(length));
    event_id = std::string_view(place + sizeof(length), event::kIdentityLength);
  } else if (has_identity_) {
    event_id = identity_.client_event_id.value_or(std::string_view());
  }
  if (filter_ && has_identity_ && !filter_({event_id, partitions_[current_], identity_.event_timestamp})) {
    reject();
    return false;
  }
  if (layout_.line >= 0)
    set_integer(static_cast<std::uint16_t>(layout_.line), end.line);
  if (has_receipt_times_ && layout_.ingested_at >= 0)
    set_integer(static_cast<std::uint16_t>(layout_.ingested_at), end.received_at_micros);
  set.rows += 1;
  const std::size_t cost = 128 + end.bytes / 3 + elements_ * 24;
  set.cost_bytes += cost;
  cost_total_ += cost;
  if (set.rows >= kBatchRows || set.cost_bytes >= kBatchBytes) {
    hand_over(current_, false);
  } else if (cost_total_ >= kBatchBudgetBytes) {
    std::size_t largest = current_;
    for (std::size_t partition = 0; partition < sets_.size(); ++partition) {
      if (sets_[partition].set && sets_[partition].set->cost_bytes > sets_[largest].set->cost_bytes)
        largest = partition;
    }
    hand_over(largest, false);
  }
  return true;
}

void RecordBuilder::reject() {
  settle_all(*set_);
  set_->truncate(layout_, set_->rows);
}

void RecordBuilder::hand_over(std::size_t partition, bool is_last) {
  cost_total_ -= sets_[partition].set->cost_bytes;
  settle_all(*sets_[partition].set);
  if (set_ == sets_[partition].set.get())
    set_ = nullptr;
  computed_.add_to(
      *sets_[partition].set, dictionaries_,
      [this](const Node& node, LeafValues& leaf, std::string_view text) { append_text(node, leaf, text); });
  --open_sets_;
  receiver_(partition, std::move(sets_[partition].set), is_last);
}

void RecordBuilder::settle_cold_sets() {
  for (std::size_t number = 0; number < sets_.size(); ++number) {
    Partition& partition = sets_[number];
    if (!partition.set || partition.is_shrunk || record_number_ - partition.left_at < kColdAfterRecords)
      continue;
    if (partition.set->cost_bytes >= kColdBatchBytes) {
      hand_over(number, false);
    } else {
      partition.set->shrink();
      partition.is_shrunk = true;
    }
  }
}

void RecordBuilder::flush() {
  for (std::size_t partition = 0; partition < sets_.size(); ++partition) {
    if (!sets_[partition].set)
      continue;
    if (sets_[partition].set->rows > 0) {
      hand_over(partition, true);
    } else {
      sets_[partition].set.reset();
      --open_sets_;
    }
  }
  set_ = nullptr;
}

bool RecordBuilder::keep(std::uint16_t structure) {
  bool is_complete = true;
  for (RepeatableField& field : repeatable_[structure].fields) {
    const Node& node = layout_.nodes[field.node];
    const bool is_present = set_->levels[field.node].size() > slots_[node.stream];
    std::uint64_t bits = 0;
    if (is_present && node.kind == Node::Kind::leaf) {
      const LeafValues& leaf = set_->leaves[node.leaf];
      if (node.type == ColumnType::boolean) {
        bits = leaf.flags.back();
      } else if (node.type != ColumnType::text) {
        bits = leaf.words.back();
      } else if (!leaf.is_plain) {
        bits = leaf.ids.back();
      } else {
        is_complete = false;
      }
    }
    field.bits.push_back(bits);
    field.is_present.push_back(is_present ? 1 : 0);
    field.is_used = field.is_used || is_present;
  }
  if (!is_complete) {
    for (RepeatableField& field : repeatable_[structure].fields) {
      field.bits.truncate(field.bits.size() - 1);
      field.is_present.truncate(field.is_present.size() - 1);
    }
  }
  return is_complete;
}

void RecordBuilder::repeat(std::uint16_t structure, std::uint32_t number) {
  const Repeatable& repeatable = repeatable_[structure];
  for (const std::size_t position : repeatable.of_identity) {
    const RepeatableField& field = repeatable.fields[position];
    if (field.is_present[number] == 0)
      continue;
    const Node& node = layout_.nodes[field.node];
    const std::uint64_t bits = field.bits[number];
    if (node.type == ColumnType::text) {
      identify(node.role, dictionaries_[node.leaf]->received(static_cast<std::uint32_t>(bits)));
    } else if (node.type == ColumnType::real) {
      identify(node, std::bit_cast<double>(bits));
    } else {
      identify(node.role, static_cast<std::int64_t>(bits));
    }
  }
  Buffer<RepeatedStructure>& repeated = set_->repeated[structure];
  repeated.push_back({slots_[layout_.nodes[structure].stream], number});
  if (repeated.size() >= kRepeatedMax)
    settle(*set_, structure);
}

void RecordBuilder::forget(std::uint16_t structure) {
  for (Partition& partition : sets_) {
    if (partition.set)
      settle(*partition.set, structure);
  }
  for (RepeatableField& field : repeatable_[structure].fields) {
    field.bits.clear();
    field.is_present.clear();
    field.is_used = false;
  }
}

void RecordBuilder::settle_all(ColumnSet& set) {
  for (std::uint16_t structure = 0; structure < repeatable_.size(); ++structure) {
    if (!set.repeated[structure].empty())
      settle(set, structure);
  }
}

// Column by column: the structures of one record touch as many places in memory as they have fields.
void RecordBuilder::settle(ColumnSet& set, std::uint16_t structure) {
  Buffer<RepeatedStructure>& repeated = set.repeated[structure];
  for (const RepeatableField& field : repeatable_[structure].fields) {
    if (!field.is_used)
      continue;
    const Node& node = layout_.nodes[field.node];
    Buffer<std::uint8_t>& levels = set.levels[field.node];
    for (const RepeatedStructure& one : repeated) {
      if (field.is_present[one.number] == 0)
        continue;
      if (levels.size() != one.slot) [[unlikely]]
        set.fill(layout_, field.node, one.slot);
      levels.push_back(node.level);
    }
    if (node.kind == Node::Kind::structure)
      continue;
    // Without a branch: each is written, and stays if it is present.
    const auto append = [&](auto& values) {
      auto* const begin = values.extend(repeated.size());
      auto* end = begin;
      for (const RepeatedStructure& one : repeated) {
        *end = static_cast<std::remove_reference_t<decltype(*end)>>(field.bits[one.number]);
        end += field.is_present[one.number];
      }
      values.truncate(values.size() - repeated.size() + static_cast<std::size_t>(end - begin));
    };
    LeafValues& leaf = set.leaves[node.leaf];
    if (node.type == ColumnType::boolean) {
      append(leaf.flags);
    } else if (node.type != ColumnType::text) {
      append(leaf.words);
    } else if (!leaf.is_plain) {
      append(leaf.ids);
    } else {
      const Dictionary& dictionary = *dictionaries_[node.leaf];
      for (const RepeatedStructure& one : repeated) {
        if (field.is_present[one.number] != 0)
          append_plain(leaf, dictionary.written(static_cast<std::uint32_t>(field.bits[one.number])));
      }
    }
  }
  repeated.clear();
}

void RecordBuilder::identify(Role role, std::int64_t value) {
  switch (role) {
    case Role::event_timestamp: identity_.event_timestamp = value; break;
    case Role::batch_page_id: identity_.batch_page_id = value; break;
    case Role::batch_ordering_id: identity_.batch_ordering_id = value; break;
    case Role::batch_event_index: identity_.batch_event_index = value; break;
    case Role::param_int: parameter().integer = value; break;
    case Role::client_event_id:
      client_id_text_ = std::to_string(value);
      identity_.client_event_id = client_id_text_;
      break;
    default: break;
  }
}

void RecordBuilder::identify(Role role, std::string_view value) {
  switch (role) {
    case Role::stream_id: identity_.stream_id = value; break;
    case Role::user_id: identity_.user_id = value; break;
    case Role::user_pseudo_id: identity_.user_pseudo_id = value; break;
    case Role::event_name: identity_.event_name = value; break;
    case Role::param_key:
      parameter().key = value;
      parameter().has_key = true;
      break;
    case Role::param_string: parameter().text = value; break;
    case Role::client_event_id: identity_.client_event_id = value; break;
    default: break;
  }
}

void RecordBuilder::identify(const Node& node, double value) {
  if (node.role != Role::param_real)
    return;
  if (node.name == "double_value") {
    parameter().real = value;
  } else {
    parameter().legacy_real = value;
  }
}

// The id that the client gave: a field's, or else the first listed parameter's.
std::string_view RecordBuilder::client_event_id() {
  if (identity_.client_event_id && !identity_.client_event_id->empty())
    return *identity_.client_event_id;
  for (const event::ParameterValue& parameter : identity_.parameters) {
    for (const std::string& name : client_event_id_names_) {
      if (parameter.key != name)
        continue;
      if (parameter.text && !parameter.text->empty())
        return *parameter.text;
      if (parameter.integer) {
        client_id_text_ = std::to_string(*parameter.integer);
        return client_id_text_;
      }
    }
  }
  return {};
}

void RecordBuilder::append_plain(LeafValues& leaf, std::string_view value) {
  leaf.starts.push_back(static_cast<std::uint32_t>(leaf.plain.size()));
  char* place = leaf.plain.extend(sizeof(std::uint32_t) + value.size());
  const auto length = static_cast<std::uint32_t>(value.size());
  std::memcpy(place, &length, sizeof(length));
  if (!value.empty())
    std::memcpy(place + sizeof(length), value.data(), value.size());
}

void RecordBuilder::make_plain(LeafValues& leaf, const Dictionary& dictionary) {
  leaf.is_plain = true;
  for (std::uint32_t id : leaf.ids)
    append_plain(leaf, dictionary.written(id));
  leaf.ids.clear();
}

void RecordBuilder::append_new_text(const Node& node, LeafValues& leaf, std::string_view value) {
  const std::string_view written = treated(value, node.treatment, scratch_, hash_key_);
  if (!leaf.is_plain) {
    Dictionary* dictionary = dictionaries_[node.leaf].get();
    if (dictionary == nullptr) {
      leaf.is_plain = true;
    } else if (!dictionary->is_full() && written.size() <= Dictionary::kTextBytesMax &&
               value.size() <= Dictionary::kTextBytesMax) {
      leaf.ids.push_back(dictionary->insert(value, written));
      return;
    } else {
      make_plain(leaf, *dictionary);
    }
  }
  append_plain(leaf, written);
}

}  // namespace shoplake::transform
