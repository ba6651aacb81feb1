#include "catalog/avro.h"

#include <libdeflate.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace shoplake::catalog::avro {
namespace {

using base::ErrorKind;
using base::make_error;
using base::Result;
using nlohmann::json;

constexpr std::string_view kMagic("Obj\1", 4);
constexpr std::size_t kSyncSize = 16;
constexpr int kDepthMax = 64;
constexpr std::size_t kInflatedBytesMax = std::size_t{1} << 30;  // of one block: manifests aim at 8 MiB
constexpr int kDeflateLevel = 4;                                 // manifests are written on the commit path

base::Error damaged(const std::string& what) {
  return make_error(ErrorKind::input, "catalog.invalid_avro", "the Avro file is damaged: " + what);
}

class SchemaParser {
 public:
  Result<std::shared_ptr<const Node>> parse(const json& value, int depth) {
    if (depth > kDepthMax) {
      return damaged("its schema is nested too deeply");
    }
    if (value.is_string()) {
      return named(value.get<std::string>());
    }
    auto node = std::make_shared<Node>();
    if (value.is_array()) {
      node->kind = Node::Kind::one_of;
      for (const json& branch : value) {
        node->branches.push_back(SHOPLAKE_TRY(parse(branch, depth + 1)));
      }
      return std::shared_ptr<const Node>(std::move(node));
    }
    if (!value.is_object() || !value.contains("type")) {
      return damaged("its schema has a part without a type");
    }
    const json& type = value["type"];
    if (!type.is_string()) {
      return parse(type, depth + 1);
    }
    const std::string kind = type.get<std::string>();
    if (kind == "record" || kind == "error") {
      node->kind = Node::Kind::record;
      if (!value.contains("fields") || !value["fields"].is_array()) {
        return damaged("a record of its schema has no fields");
      }
      for (const json& item : value["fields"]) {
        if (!item.is_object() || !item.contains("name") || !item["name"].is_string() || !item.contains("type")) {
          return damaged("a field of its schema has no name or no type");
        }
        RecordField field;
        field.name = item["name"].get<std::string>();
        if (const auto id = item.find("field-id"); id != item.end() && id->is_number_integer()) {
          field.field_id = id->get<std::int32_t>();
        }
        field.type = SHOPLAKE_TRY(parse(item["type"], depth + 1));
        node->fields.push_back(std::move(field));
      }
    } else if (kind == "array" || kind == "map") {
      node->kind = kind == "array" ? Node::Kind::array : Node::Kind::map;
      const char* part = kind == "array" ? "items" : "values";
      if (!value.contains(part)) {
        return damaged("an " + kind + " of its schema has no items");
      }
      node->branches.push_back(SHOPLAKE_TRY(parse(value[part], depth + 1)));
    } else if (kind == "fixed") {
      node->kind = Node::Kind::fixed;
      const auto size = value.find("size");
      if (size == value.end() || !size->is_number_unsigned()) {
        return damaged("a fixed type of its schema has no size");
      }
      node->size = size->get<std::size_t>();
    } else if (kind == "enum") {
      node->kind = Node::Kind::enumeration;
    } else {
      return named(kind);
    }
    std::shared_ptr<const Node> finished = std::move(node);
    if (const auto name = value.find("name"); name != value.end() && name->is_string()) {
      known_[name->get<std::string>()] = finished;
      if (const auto space = value.find("namespace"); space != value.end() && space->is_string()) {
        known_[space->get<std::string>() + "." + name->get<std::string>()] = finished;
      }
    }
    return finished;
  }

 private:
  Result<std::shared_ptr<const Node>> named(const std::string& name) {
    static const std::map<std::string, Node::Kind> kPrimitives = {
        {"null", Node::Kind::null},    {"boolean", Node::Kind::boolean}, {"int", Node::Kind::integer},
        {"long", Node::Kind::integer}, {"float", Node::Kind::floating},  {"double", Node::Kind::real},
        {"bytes", Node::Kind::bytes},  {"string", Node::Kind::string}};
    if (const auto primitive = kPrimitives.find(name); primitive != kPrimitives.end()) {
      auto node = std::make_shared<Node>();
      node->kind = primitive->second;
      return std::shared_ptr<const Node>(std::move(node));
    }
    if (const auto found = known_.find(name); found != known_.end()) {
      return found->second;
    }
    return damaged("its schema names an unknown type \"" + name + "\"");
  }

  std::map<std::string, std::shared_ptr<const Node>> known_;
};

struct DeflateClosers {
  void operator()(libdeflate_compressor* compressor) const { libdeflate_free_compressor(compressor); }
  void operator()(libdeflate_decompressor* decompressor) const { libdeflate_free_decompressor(decompressor); }
};

Result<void> inflate_onto(std::string_view compressed, std::string& out) {
  const std::unique_ptr<libdeflate_decompressor, DeflateClosers> decompressor(libdeflate_alloc_decompressor());
  const std::size_t before = out.size();
  std::size_t room = std::max<std::size_t>(compressed.size() * 4, 4096);
  while (true) {
    out.resize(before + room);
    std::size_t actual = 0;
    const auto result = libdeflate_deflate_decompress(decompressor.get(), compressed.data(), compressed.size(),
                                                      out.data() + before, room, &actual);
    if (result == LIBDEFLATE_SUCCESS) {
      out.resize(before + actual);
      return {};
    }
    if (result != LIBDEFLATE_INSUFFICIENT_SPACE || room >= kInflatedBytesMax) {
      return damaged("a block cannot be inflated");
    }
    room *= 4;
  }
}

}  // namespace

std::int64_t Decoder::read_long() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (rest_.empty()) {
      fail();
      return 0;
    }
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << std::min(shift, 63);
    if ((byte & 0x80) == 0) {
      return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
    }
  }
  fail();
  return 0;
}

bool Decoder::read_boolean() { return !read_fixed(1).empty() && rest_.data()[-1] != 0; }

std::string_view Decoder::read_bytes() {
  const std::int64_t size = read_long();
  if (size < 0) {
    fail();
    return {};
  }
  return read_fixed(static_cast<std::size_t>(size));
}

std::string_view Decoder::read_fixed(std::size_t size) {
  if (size > rest_.size()) {
    fail();
    return {};
  }
  const std::string_view result = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return result;
}

std::int64_t Decoder::read_block_count() {
  std::int64_t count = read_long();
  if (count < 0) {
    if (count == INT64_MIN) {
      fail();
      return 0;
    }
    count = -count;
    read_long();  // the block's size in bytes
  }
  if (static_cast<std::uint64_t>(count) > rest_.size()) {
    fail();
    return 0;
  }
  return count;
}

const Node* Decoder::resolve(const Node* node) {
  static const Node kNull;
  int depth = 0;
  while (node->kind == Node::Kind::one_of) {
    const std::int64_t branch = read_long();
    if (!ok_ || branch < 0 || static_cast<std::size_t>(branch) >= node->branches.size() || ++depth > kDepthMax) {
      fail();
      return &kNull;
    }
    node = node->branches[static_cast<std::size_t>(branch)].get();
  }
  return node;
}

void Decoder::skip(const Node& node, int depth) {
  if (depth > kDepthMax) {
    fail();
  }
  if (!ok_) {
    return;
  }
  switch (node.kind) {
    case Node::Kind::null: return;
    case Node::Kind::boolean: read_fixed(1); return;
    case Node::Kind::integer:
    case Node::Kind::enumeration: read_long(); return;
    case Node::Kind::floating: read_fixed(4); return;
    case Node::Kind::real: read_fixed(8); return;
    case Node::Kind::bytes:
    case Node::Kind::string: read_bytes(); return;
    case Node::Kind::fixed: read_fixed(node.size); return;
    case Node::Kind::record:
      for (const RecordField& field : node.fields) {
        skip(*field.type, depth + 1);
      }
      return;
    case Node::Kind::array:
    case Node::Kind::map:
      for (std::int64_t count = read_block_count(); count > 0; count = read_block_count()) {
        for (std::int64_t item = 0; item < count && ok_; ++item) {
          if (node.kind == Node::Kind::map) {
            read_bytes();
          }
          skip(*node.branches[0], depth + 1);
        }
      }
      return;
    case Node::Kind::one_of: skip(*resolve(&node), depth + 1); return;
  }
}

void put_long(std::string& out, std::int64_t value) {
  std::uint64_t rest = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  while (rest >= 0x80) {
    out.push_back(static_cast<char>(rest | 0x80));
    rest >>= 7;
  }
  out.push_back(static_cast<char>(rest));
}

void put_boolean(std::string& out, bool value) { out.push_back(value ? '\1' : '\0'); }

void put_bytes(std::string& out, std::string_view value) {
  put_long(out, static_cast<std::int64_t>(value.size()));
  out.append(value);
}

Result<File> parse_file(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return damaged("it does not begin as an Avro file does");
  }
  Decoder decoder(bytes.substr(kMagic.size()));
  File file;
  for (std::int64_t count = decoder.read_block_count(); count > 0; count = decoder.read_block_count()) {
    for (std::int64_t item = 0; item < count && decoder.ok(); ++item) {
      const std::string key(decoder.read_bytes());
      file.metadata[key] = std::string(decoder.read_bytes());
    }
  }
  const std::string sync(decoder.read_fixed(kSyncSize));
  if (!decoder.ok()) {
    return damaged("its header is cut off");
  }
  const auto schema = file.metadata.find("avro.schema");
  if (schema == file.metadata.end()) {
    return damaged("it has no schema");
  }
  const json document = json::parse(schema->second, nullptr, false);
  if (document.is_discarded()) {
    return damaged("its schema is not JSON");
  }
  file.schema = SHOPLAKE_TRY(SchemaParser().parse(document, 0));
  if (file.schema->kind != Node::Kind::record) {
    return damaged("its objects are not records");
  }
  const auto codec = file.metadata.find("avro.codec");
  const std::string codec_name = codec == file.metadata.end() || codec->second.empty() ? "null" : codec->second;
  if (codec_name != "null" && codec_name != "deflate") {
    return make_error(ErrorKind::input, "catalog.unsupported_codec",
                      "the Avro file is compressed with \"" + codec_name + "\"",
                      "Write manifests with the codec deflate (gzip) or without compression.");
  }
  while (!decoder.at_end()) {
    const std::int64_t count = decoder.read_long();
    const std::string_view block = decoder.read_bytes();
    const std::string_view marker = decoder.read_fixed(kSyncSize);
    if (!decoder.ok()) {
      return damaged("its last block is cut off");
    }
    if (count < 0 || marker != sync) {
      return damaged("a block does not end with the sync marker");
    }
    if (codec_name == "deflate") {
      SHOPLAKE_TRY(inflate_onto(block, file.objects));
    } else {
      file.objects.append(block);
    }
    if (file.objects.size() > kInflatedBytesMax || count > INT64_MAX - file.count) {
      return damaged("it is larger than " + std::to_string(kInflatedBytesMax) + " bytes");
    }
    file.count += count;
  }
  if (static_cast<std::uint64_t>(file.count) > file.objects.size()) {
    return damaged("it counts more objects than it has bytes");
  }
  return file;
}

std::string format_file(const FileContent& content) {
  SHOPLAKE_CHECK(content.sync_marker.size() == kSyncSize);
  std::string file(kMagic);
  std::map<std::string, std::string> metadata = content.metadata;
  metadata["avro.schema"] = content.schema_json;
  metadata["avro.codec"] = "deflate";
  put_long(file, static_cast<std::int64_t>(metadata.size()));
  for (const auto& [key, value] : metadata) {
    put_bytes(file, key);
    put_bytes(file, value);
  }
  put_long(file, 0);
  file += content.sync_marker;
  if (content.count > 0) {
    const std::unique_ptr<libdeflate_compressor, DeflateClosers> compressor(libdeflate_alloc_compressor(kDeflateLevel));
    std::string block(libdeflate_deflate_compress_bound(compressor.get(), content.objects.size()), '\0');
    block.resize(libdeflate_deflate_compress(compressor.get(), content.objects.data(), content.objects.size(),
                                             block.data(), block.size()));
    put_long(file, content.count);
    put_bytes(file, block);
    file += content.sync_marker;
  }
  return file;
}

}  // namespace shoplake::catalog::avro
