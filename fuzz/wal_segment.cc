// A file of the write-ahead log: a length byte, that many bytes of its name, the segment.

#include "base/result.h"
#include "targets.h"
#include "wal/segment.h"

namespace shoplake::fuzz {

int fuzz_wal_segment(std::string_view bytes) {
  if (bytes.empty()) {
    return 0;
  }
  const std::size_t name_bytes = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  const std::string_view name = bytes.substr(0, name_bytes);
  bytes.remove_prefix(name.size());
  const wal::Segment segment = wal::read_segment(bytes, name);
  wal::Offset last = 0;
  std::uint64_t read = 0;
  for (const wal::Record& record : segment.records) {
    SHOPLAKE_CHECK(read == 0 || record.offset > last);  // ascending, none twice
    last = record.offset;
    read += wal::encoded_bytes(record.stream.size(), record.payload.size());
    for (const std::string_view view : {record.stream, record.payload}) {
      SHOPLAKE_CHECK(view.empty() ||
                     (view.data() >= bytes.data() && view.data() + view.size() <= bytes.data() + bytes.size()));
    }
  }
  SHOPLAKE_CHECK(read + segment.bytes_damaged + segment.tail_bytes <= bytes.size());
  for (const wal::LostRange& lost : segment.lost) {
    SHOPLAKE_CHECK(lost.first < lost.end);
  }

  // The same bytes in two pieces give no other records than the whole.
  if (segment.header) {
    wal::RecordScanner scanner(bytes.substr(0, bytes.size() / 2),
                               {.salt = segment.header->salt, .expected = segment.header->first, .is_whole = false});
    for (auto found = scanner.next();
         found == wal::RecordScanner::Found::record || found == wal::RecordScanner::Found::damage;
         found = scanner.next()) {
    }
  }
  return 0;
}

}  // namespace shoplake::fuzz
