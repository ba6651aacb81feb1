#include "transform/column_set.h"

#include <algorithm>

#include "base/result.h"

namespace shoplake::transform {

void ColumnSet::catch_up(const Layout& layout, std::uint16_t stream, std::uint32_t slots) {
  const Stream& description = layout.streams[stream];
  StreamLevels& entries = streams[stream];
  if (entries.consumed >= slots)
    return;
  const auto list = static_cast<std::uint16_t>(description.list);
  if (levels[list].size() < slots)
    fill(layout, list, slots);
  const std::uint32_t count = slots - entries.consumed;
  levels[description.element].append(levels[list].data() + entries.consumed, count);
  if (description.parent == 0) {
    entries.repetition.append_bytes(0, count);
  } else {
    entries.repetition.append(streams[description.parent].repetition.data() + entries.consumed, count);
  }
  entries.consumed = slots;
}

void ColumnSet::fill(const Layout& layout, std::uint16_t node, std::uint32_t slot) {
  const Node& description = layout.nodes[node];
  Buffer<std::uint8_t>& entries = levels[node];
  const std::size_t count = slot - entries.size();
  if (description.parent < 0) {
    entries.append_bytes(0, count);
    return;
  }
  const auto parent = static_cast<std::uint16_t>(description.parent);
  if (levels[parent].size() < slot)
    fill(layout, parent, slot);
  entries.append(levels[parent].data() + entries.size(), count);
}

void ColumnSet::complete(const Layout& layout) {
  for (std::size_t index = 0; index < layout.nodes.size(); ++index) {
    const Node& node = layout.nodes[index];
    const auto position = static_cast<std::uint16_t>(index);
    if (node.kind == Node::Kind::dropped)
      continue;
    if (node.is_element)
      catch_up(layout, node.stream, stream_size(layout, layout.streams[node.stream].parent));
    if (node.kind == Node::Kind::leaf && !node.is_element && levels[index].empty())
      continue;
    const std::uint32_t size = stream_size(layout, node.stream);
    if (levels[index].size() < size)
      fill(layout, position, size);
  }
}

void ColumnSet::truncate(const Layout& layout, std::uint32_t row) {
  // Parents come before children, so each stream knows its parent's new size.
  std::vector<std::uint32_t> sizes(layout.streams.size());
  sizes[0] = row;
  for (std::size_t stream = 1; stream < layout.streams.size(); ++stream) {
    StreamLevels& entries = streams[stream];
    std::size_t size = entries.repetition.size();
    const std::uint32_t parent_size = sizes[layout.streams[stream].parent];
    if (entries.consumed > parent_size) {
      // The record's entries begin at the last one that starts a record.
      do {
        SHOPLAKE_CHECK(size > 0);
        --size;
      } while (entries.repetition[size] != 0);
      entries.consumed = parent_size;
      entries.repetition.truncate(size);
    }
    sizes[stream] = static_cast<std::uint32_t>(size);
  }
  for (std::size_t index = 0; index < layout.nodes.size(); ++index) {
    const Node& node = layout.nodes[index];
    Buffer<std::uint8_t>& entries = levels[index];
    const std::size_t size = sizes[node.stream];
    if (entries.size() <= size)
      continue;
    if (node.kind == Node::Kind::leaf) {
      std::size_t values = 0;
      for (std::size_t at = size; at < entries.size(); ++at)
        values += entries[at] == node.level;
      if (values > 0) {
        LeafValues& leaf = leaves[node.leaf];
        switch (node.type) {
          case ColumnType::boolean: leaf.flags.truncate(leaf.flags.size() - values); break;
          case ColumnType::integer:
          case ColumnType::real:
          case ColumnType::timestamp:
          case ColumnType::date:
          case ColumnType::decimal: leaf.words.truncate(leaf.words.size() - values); break;
          case ColumnType::text:
            if (leaf.is_plain) {
              const std::size_t kept = leaf.starts.size() - values;
              leaf.plain.truncate(leaf.starts[kept]);
              leaf.starts.truncate(kept);
            } else {
              leaf.ids.truncate(leaf.ids.size() - values);
            }
            break;
        }
      }
    }
    entries.truncate(size);
  }
}

void ColumnSet::clear() {
  rows = 0;
  cost_bytes = 0;
  for (Buffer<std::uint8_t>& entries : levels)
    entries.clear();
  for (StreamLevels& entries : streams) {
    entries.repetition.clear();
    entries.consumed = 0;
  }
  for (LeafValues& leaf : leaves) {
    leaf.words.clear();
    leaf.flags.clear();
    leaf.ids.clear();
    leaf.plain.clear();
    leaf.starts.clear();
    leaf.is_plain = false;
  }
}

void ColumnSet::shrink() {
  for (Buffer<std::uint8_t>& entries : levels)
    entries.shrink();
  for (StreamLevels& entries : streams)
    entries.repetition.shrink();
  for (LeafValues& leaf : leaves) {
    leaf.words.shrink();
    leaf.flags.shrink();
    leaf.ids.shrink();
    leaf.plain.shrink();
    leaf.starts.shrink();
  }
}

}  // namespace shoplake::transform
