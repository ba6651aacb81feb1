// Avro object container files, as far as Iceberg's manifests need them: binary encoding, schemas with Iceberg's field
// ids, codecs null and deflate. Own code, because Avro C++ drops the "field-id" that Iceberg readers go by. Source:
// https://avro.apache.org/docs/1.11.1/specification/
//
// Decoding never trusts its input: every length is checked against what is left, nesting and inflated size are bounded,
// and damage is an error catalog.invalid_avro (kind input) that says what is wrong.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace shoplake::catalog::avro {

struct Node;

struct RecordField {
  std::string name;
  std::int32_t field_id = -1;  // Iceberg's; -1 if the schema gives none
  std::shared_ptr<const Node> type;
};

// A parsed writer schema.
struct Node {
  enum class Kind {
    null,
    boolean,
    integer,
    floating,
    real,
    bytes,
    string,
    fixed,
    enumeration,
    record,
    array,
    map,
    one_of
  };
  // integer: int and long, which are encoded alike; floating: float; real: double
  Kind kind = Kind::null;
  std::size_t size = 0;                               // fixed
  std::vector<RecordField> fields;                    // record
  std::vector<std::shared_ptr<const Node>> branches;  // one_of; array and map: one, the items
};

// Reads values off the front of a buffer. After any failure ok() is false and every further read gives zero.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::int64_t read_long();
  bool read_boolean();
  std::string_view read_bytes();  // length, then the bytes
  std::string_view read_fixed(std::size_t size);

  // Array and map blocks: the number of items that follow; 0 at the end. A count beyond what is left is a failure.
  std::int64_t read_block_count();

  // Follows a union to the branch that the data take; other nodes are their own branch.
  const Node* resolve(const Node* node);

  void skip(const Node& node, int depth = 0);

 private:
  std::string_view rest_;
  bool ok_ = true;
};

void put_long(std::string& out, std::int64_t value);
void put_boolean(std::string& out, bool value);
void put_bytes(std::string& out, std::string_view value);

struct File {
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const Node> schema;  // of one object; a record
  std::string objects;                 // all blocks, inflated, one after another
  std::int64_t count = 0;
};

base::Result<File> parse_file(std::string_view bytes);

struct FileContent {
  std::string schema_json;
  std::map<std::string, std::string> metadata;  // beside avro.schema and avro.codec
  std::string objects;                          // encoded objects, one after another
  std::int64_t count = 0;
  std::string sync_marker;  // 16 bytes
};

std::string format_file(const FileContent& content);

}  // namespace shoplake::catalog::avro
