// RecordBuilder: turns one record after another, given field by field by a reader (JSON, Parquet), into ColumnSets, one
// set a partition. It coerces nothing; it applies the contract's treatments, computes the event's identity and the
// computed fields, and undoes a record that is rejected half-way.
//
// begin() → set_*/open_*/close_* in any order of fields → finish() or reject(). Not thread safe. The full sets go to
// the receiver in the order in which they fill up, which depends on the input alone.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/moment.h"
#include "event/identity.h"
#include "transform/column_set.h"
#include "transform/computed_fields.h"
#include "transform/dictionary.h"
#include "transform/layout.h"
#include "transform/personal_data.h"
#include "transform/record_keys.h"
#include "transform/rejection.h"

namespace shoplake::transform {

// A set is handed on when it has this many records…
inline constexpr std::uint32_t kBatchRows = 20'480;
// …or holds about this much; and the largest of all sets when together they hold more than the budget.
inline constexpr std::size_t kBatchBytes = 48ULL << 20;
inline constexpr std::size_t kBatchBudgetBytes = 224ULL << 20;
// A set whose partition had no record for so many others is cold. It is handed on if it holds as much, because pages
// are a tenth of its size; else it gives back the memory that it does not need.
inline constexpr std::uint64_t kColdAfterRecords = kBatchRows;
inline constexpr std::size_t kColdBatchBytes = 4ULL << 20;
// While no more sets than this are open, a set may be one that was used before.
inline constexpr std::size_t kReusedSetsMax = 4;
// More days than this in one load is not a day column.
inline constexpr std::size_t kPartitionsMax = 4'000;

// Names of partitions by day or month.
class PartitionDays {
 public:
  explicit PartitionDays(contract::Partitioning::By by) : by_(by) {}
  // "2026-11-21" or "2026-11"; valid until the next call.
  std::string_view name(std::int64_t day) {
    if (day != day_ || name_.empty()) {
      constexpr std::size_t kMonthBytes = 7;
      day_ = day;
      name_ = base::date_text(day);
      if (by_ == contract::Partitioning::By::month)
        name_.resize(kMonthBytes);
    }
    return name_;
  }

 private:
  contract::Partitioning::By by_;
  std::int64_t day_ = 0;
  std::string name_;
};

// What decides whether an event is one that was seen before. Views live as long as the call.
struct EventKey {
  std::string_view event_id;   // as Contract::event_id_column() holds it
  std::string_view day;        // the partition
  std::int64_t timestamp = 0;  // of the event in microseconds; 0 where the contract has none
};
// False: the event is a duplicate and is left out.
using EventFilter = std::function<bool(const EventKey&)>;

// One dictionary for each text leaf; null where the column never uses one.
using Dictionaries = std::vector<std::unique_ptr<Dictionary>>;

class RecordBuilder {
 public:
  // Takes a full set of partition number `partition` (in order of first appearance); `is_last`: from flush().
  using Receiver = std::function<void(std::size_t partition, std::unique_ptr<ColumnSet> set, bool is_last)>;
  // Gives an empty set: if `reuse`, perhaps one that has the memory of an earlier set.
  using Supplier = std::function<std::unique_ptr<ColumnSet>(bool reuse)>;

  RecordBuilder(const Layout& layout, const contract::Contract& contract, Supplier supplier, Receiver receiver);

  const Layout& layout() const { return layout_; }
  const Dictionaries& dictionaries() const { return dictionaries_; }
  const std::vector<std::string>& partitions() const { return partitions_; }

  // Opens a record of a partition: its text in the table's paths, from a value that the reader has checked. False:
  // there would be too many partitions.
  bool begin(std::string_view partition);
  struct End {
    std::int64_t line = 0;
    std::int64_t received_at_micros = 0;  // used after use_receipt_times()
    std::size_t bytes = 0;                // its size in the input
    std::string_view unknown_fields;      // its JSON object, or empty
  };
  // Completes the record. False: the filter left it out.
  bool finish(const End& end);
  // Whether the open record's key is new in this load, where the contract rejects others; if not, `rejection` says so.
  // Once for each record, before finish().
  bool accepts_key(Rejection& rejection) { return !keys_ || accepts_new_key(rejection); }
  void reject();
  // Hands over what is left.
  void flush();

  // Asked about each record that is otherwise good, in order. Only of contracts that have an event identity.
  void set_filter(EventFilter filter) { filter_ = std::move(filter); }
  // _shoplake_ingested_at is End::received_at_micros; without this call the writer fills it by a constant.
  void use_receipt_times() { has_receipt_times_ = true; }

  // False: the field was given before in this record.
  bool open_struct(std::uint16_t node) { return mark(node, layout_.nodes[node].level); }
  bool set_integer(std::uint16_t node, std::int64_t value) {
    const Node& description = layout_.nodes[node];
    if (description.role != Role::none)
      identify(description.role, value);
    if (description.treatment == contract::Treatment::drop)
      return true;
    if (!mark(node, description.level))
      return false;
    set_->leaves[description.leaf].words.push_back(static_cast<std::uint64_t>(value));
    return true;
  }
  bool set_real(std::uint16_t node, double value) {
    const Node& description = layout_.nodes[node];
    if (description.role != Role::none)
      identify(description, value);
    if (description.treatment == contract::Treatment::drop)
      return true;
    if (!mark(node, description.level))
      return false;
    set_->leaves[description.leaf].words.push_back(std::bit_cast<std::uint64_t>(value));
    return true;
  }
  bool set_boolean(std::uint16_t node, bool value) {
    const Node& description = layout_.nodes[node];
    if (description.treatment == contract::Treatment::drop)
      return true;
    if (!mark(node, description.level))
      return false;
    set_->leaves[description.leaf].flags.push_back(value ? 1 : 0);
    return true;
  }
  // The text must live until finish().
  bool set_text(std::uint16_t node, std::string_view value) {
    const Node& description = layout_.nodes[node];
    if (description.role != Role::none)
      identify(description.role, value);
    if (description.treatment == contract::Treatment::drop)
      return true;
    if (!mark(node, description.level))
      return false;
    append_text(description, set_->leaves[description.leaf], value);
    return true;
  }
  bool set_empty_list(std::uint16_t node) { return mark(node, layout_.nodes[node].level); }

  // A list with at least one element: open_list(), then for each element open_element() and its fields.
  bool open_list(std::uint16_t node) {
    const Node& description = layout_.nodes[node];
    if (!mark(node, static_cast<std::uint8_t>(description.level + 1)))
      return false;
    const std::uint32_t slot = slots_[description.stream];
    set_->catch_up(layout_, description.child_stream, slot);
    first_element_[description.child_stream] = true;
    return true;
  }
  // The next element's slot. A present element of a struct list is open then; a leaf element is set by set_*(element,
  // …).
  void open_element(std::uint16_t list, bool present) {
    const Node& description = layout_.nodes[list];
    const Stream& stream = layout_.streams[description.child_stream];
    StreamLevels& entries = set_->streams[description.child_stream];
    const bool first = first_element_[description.child_stream];
    first_element_[description.child_stream] = false;
    const std::uint8_t parent_level =
        stream.parent == 0 ? 0 : set_->streams[stream.parent].repetition[slots_[description.stream]];
    entries.repetition.push_back(first ? parent_level : stream.repetition_level);
    // Not before: a record may be rejected between its list's begin and the first element.
    entries.consumed = slots_[description.stream] + 1;
    const Node& element = layout_.nodes[stream.element];
    Buffer<std::uint8_t>& levels = set_->levels[stream.element];
    slots_[description.child_stream] = static_cast<std::uint32_t>(levels.size());
    elements_ += 1;
    element_[description.child_stream] = first ? 0 : element_[description.child_stream] + 1;
    // A leaf's level is written by its set_*(); an absent one is written here.
    if (!present) {
      levels.push_back(static_cast<std::uint8_t>(element.level - 1));
    } else if (element.kind != Node::Kind::leaf) {
      levels.push_back(element.level);
    }
    if (description.role == Role::params)
      identity_.parameters.emplace_back();
  }

  // --- structures that say what an earlier one said, for StructureMemo ---
  // Whether a node's structures can be repeated: they have no lists, and stand in no structure that can be.
  bool is_repeatable(std::uint16_t structure) const { return !repeatable_[structure].fields.empty(); }
  // Keeps what the open record has in a structure that has just been read, under the next number from 0. False: it has
  // a text that is in no dictionary.
  bool keep(std::uint16_t structure);
  // Gives the structure, which is open and has nothing yet, what was kept under a number.
  void repeat(std::uint16_t structure, std::uint32_t number);
  // Before a structure is given field by field: what was repeated before it takes its place in the columns.
  void settle(std::uint16_t structure) {
    if (!set_->repeated[structure].empty())
      settle(*set_, structure);
  }
  // Keeps nothing of a node any longer; numbers begin with 0 again.
  void forget(std::uint16_t structure);

  // A field outside lists has a value in the open record.
  bool has_value(std::uint16_t node) const {
    const Buffer<std::uint8_t>& levels = set_->levels[node];
    return levels.size() > set_->rows && levels.back() == layout_.nodes[node].level;
  }

  // A top-level field or event parameter that the contract lists as client_event_id, but does not declare as a field.
  void set_client_event_id(std::string_view value) { identity_.client_event_id = value; }
  const std::vector<std::string>& client_event_id_names() const { return client_event_id_names_; }
  // The open record has a client's id that is not empty.
  bool has_client_event_id() const { return identity_.client_event_id && !identity_.client_event_id->empty(); }

 private:
  bool mark(std::uint16_t node, std::uint8_t level) {
    Buffer<std::uint8_t>& levels = set_->levels[node];
    const std::uint32_t slot = slots_[layout_.nodes[node].stream];
    if (levels.size() != slot) [[unlikely]] {
      if (levels.size() > slot)
        return false;
      set_->fill(layout_, node, slot);
    }
    levels.push_back(level);
    return true;
  }
  void settle(ColumnSet& set, std::uint16_t structure);
  void settle_all(ColumnSet& set);

  event::ParameterValue& parameter() {
    // Roles of parameters exist only below the list of parameters, where an element is open.
    return identity_.parameters.back();
  }
  void identify(Role role, std::int64_t value);
  void identify(Role role, std::string_view value);
  void identify(const Node& node, double value);

  void append_text(const Node& node, LeafValues& leaf, std::string_view value) {
    if (!leaf.is_plain) [[likely]] {
      // Records that follow one another are often of one visitor: most texts are the ones of the record before.
      Recent& recent =
          recent_[static_cast<std::size_t>(node.leaf) * kRecentElements + element_[node.stream] % kRecentElements];
      if (recent.size == value.size() && equal_text(recent.text, value.data(), value.size())) {
        leaf.ids.push_back(recent.id);
        return;
      }
      Dictionary* dictionary = dictionaries_[node.leaf].get();
      const std::uint32_t id = dictionary == nullptr ? Dictionary::kNone : dictionary->find(value);
      if (id != Dictionary::kNone) [[likely]] {
        leaf.ids.push_back(id);
        recent = {dictionary->received(id).data(), static_cast<std::uint32_t>(value.size()), id};
        return;
      }
    }
    append_new_text(node, leaf, value);
  }
  void append_new_text(const Node& node, LeafValues& leaf, std::string_view value);
  static void append_plain(LeafValues& leaf, std::string_view value);
  void make_plain(LeafValues& leaf, const Dictionary& dictionary);
  std::string_view client_event_id();
  bool accepts_new_key(Rejection& rejection);
  void append_key(std::uint16_t node, std::string& key) const;
  void hand_over(std::size_t partition, bool is_last);
  // Hands over or shrinks the cold sets. Between records.
  void settle_cold_sets();

  struct RepeatableField {
    std::uint16_t node = 0;
    bool is_used = false;  // some structure has it
    // By number. A column's values are together since columns are written one after the other.
    Buffer<std::uint64_t> bits;  // of a text: its id in the leaf's dictionary
    Buffer<std::uint8_t> is_present;
  };
  struct Repeatable {
    std::vector<RepeatableField> fields;   // at any depth
    std::vector<std::size_t> of_identity;  // the fields that have a role
  };
  // So many are settled at once.
  static constexpr std::size_t kRepeatedMax = 1024;
  struct Partition {
    std::unique_ptr<ColumnSet> set;
    std::uint64_t left_at = 0;  // record_number_ when another partition's record came
    bool is_shrunk = false;     // since then
  };
  // The text that a leaf had last, for each position in its list.
  static constexpr std::size_t kRecentElements = 16;
  struct Recent {
    const char* text = nullptr;
    std::uint32_t size = 0xFFFFFFFF;
    std::uint32_t id = 0;
  };

  const Layout& layout_;
  Supplier supplier_;
  Receiver receiver_;
  EventFilter filter_;
  bool has_receipt_times_ = false;
  Dictionaries dictionaries_;
  std::vector<std::string> partitions_;
  std::vector<Partition> sets_;
  std::unordered_map<std::string, std::size_t> partition_numbers_;
  std::size_t current_ = 0;
  ColumnSet* set_ = nullptr;
  std::vector<std::uint32_t> slots_;  // by stream: the slot being written
  std::vector<bool> first_element_;
  std::vector<std::uint32_t> element_;  // by stream: the number of the open element in its list
  std::vector<Recent> recent_;          // by leaf and element
  std::vector<Repeatable> repeatable_;  // by node
  std::size_t elements_ = 0;
  std::size_t cost_total_ = 0;
  std::size_t open_sets_ = 0;
  std::uint64_t record_number_ = 0;
  event::IdentityFields identity_;
  bool has_identity_ = false;
  std::unique_ptr<event::IdentityHasher> hasher_;  // null: the client's id is the identity
  std::vector<std::string> client_event_id_names_;
  ComputedFields computed_;
  std::unique_ptr<RecordKeys> keys_;  // null: duplicates are kept
  std::vector<std::uint16_t> key_nodes_;
  std::string key_;
  std::string client_id_text_;
  std::string hash_key_;  // of Treatment::hash
  std::string scratch_;
};

}  // namespace shoplake::transform
