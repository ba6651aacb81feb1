#include "transform/csv_tokenizer.h"

#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/result.h"

namespace shoplake::transform {

namespace {

constexpr std::size_t kWindow = 64;

// The places of the bytes that matter, one after another.
class Marks {
 public:
  Marks(const char* text, std::size_t size, const CsvDialect& dialect) : text_(text), size_(size), dialect_(dialect) {
    if (size_ > 0)
      mask_ = window(0);
  }

  // The next one, or the size of the text.
  std::size_t next() {
    while (mask_ == 0) {
      base_ += kWindow;
      if (base_ >= size_)
        return size_;
      mask_ = window(base_);
    }
    const std::size_t at = base_ + static_cast<std::size_t>(std::countr_zero(mask_));
    mask_ &= mask_ - 1;
    return at < size_ ? at : size_;
  }

 private:
  // A bit for each byte of the window that is a delimiter, a quote, LF, CR or NUL.
  std::uint64_t window(std::size_t at) const {
#ifdef __SSE2__
    const __m128i delimiter = _mm_set1_epi8(dialect_.delimiter);
    const __m128i quote = _mm_set1_epi8(dialect_.quote);
    const __m128i line_feed = _mm_set1_epi8('\n');
    const __m128i carriage_return = _mm_set1_epi8('\r');
    std::uint64_t mask = 0;
    for (std::size_t part = 0; part < kWindow / 16; ++part) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text_ + at + part * 16));
      const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, line_feed), _mm_cmpeq_epi8(bytes, carriage_return));
      const __m128i others = _mm_or_si128(_mm_cmpeq_epi8(bytes, delimiter), _mm_cmpeq_epi8(bytes, quote));
      const __m128i nul = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
      const auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(ends, others), nul)));
      mask |= static_cast<std::uint64_t>(bits) << (part * 16);
    }
    return mask;
#else
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < kWindow; ++i) {
      const char c = text_[at + i];
      const bool matters = c == dialect_.delimiter || c == dialect_.quote || c == '\n' || c == '\r' || c == '\0';
      mask |= static_cast<std::uint64_t>(matters) << i;
    }
    return mask;
#endif
  }

  const char* text_;
  std::size_t size_;
  CsvDialect dialect_;
  std::size_t base_ = 0;
  std::uint64_t mask_ = 0;
};

using Problem = CsvRecord::Problem;

// The record being read.
class Splitter {
 public:
  Splitter(const char* text, std::size_t size, CsvDialect dialect, CsvTokens& tokens)
      : text_(text), size_(size), dialect_(dialect), tokens_(tokens), marks_(text, size, dialect) {
    record_.first_field = static_cast<std::uint32_t>(tokens_.fields.size());
    record_.line = tokens_.lines;
  }

  std::size_t run(bool at_end) {
    std::size_t at = marks_.next();
    while (at < size_) {
      if (!take(at, at_end))
        return give_up();
      at = next_ == kFromMarks ? marks_.next() : next_;
      next_ = kFromMarks;
    }
    if (record_.begin == size_ && tokens_.fields.size() == record_.first_field)
      return size_;
    if (!at_end)
      return give_up();
    if (state_ == State::quoted) {
      problem(Problem::open_quote);
      add_field(size_);
    } else if (state_ == State::closed) {
      if (close_ + 1 != size_)
        problem(Problem::text_after_quote);
      add_field(close_);
    } else {
      add_field(size_);
    }
    add_record(size_, size_, false);
    return size_;
  }

 private:
  enum class State { plain, quoted, closed };

  // The byte that matters at `at`. False: what follows it must be known and is not there.
  bool take(std::size_t at, bool at_end) {
    const char c = text_[at];
    if (state_ == State::quoted)
      return take_quoted(at, c, at_end);
    if (state_ == State::closed && at != close_ + 1)
      after_quote();
    if (c == dialect_.delimiter) {
      add_field(state_ == State::closed ? close_ : at);
      field_ = static_cast<std::uint32_t>(at + 1);
    } else if (c == '\n') {
      const std::size_t end = at > record_.begin && text_[at - 1] == '\r' ? at - 1 : at;
      add_field(state_ == State::closed ? close_ : end);
      add_record(end, at + 1, true);
    } else if (c == '\r') {
      return take_carriage_return(at, at_end);
    } else if (c == dialect_.quote) {
      if (state_ == State::closed) {  // text may follow a closing quote, but not a quote: doubled ones are taken there
        after_quote();
      } else if (at == field_) {
        state_ = State::quoted;
        field_ = static_cast<std::uint32_t>(at + 1);
        is_quoted_ = true;
      }
    } else {
      problem(Problem::nul_byte);
      if (state_ == State::closed)
        after_quote();
    }
    return true;
  }

  bool take_quoted(std::size_t at, char c, bool at_end) {
    if (c == dialect_.quote) {
      if (at + 1 == size_ && !at_end)
        return false;
      if (at + 1 < size_ && text_[at + 1] == dialect_.quote) {
        has_doubled_quotes_ = true;
        static_cast<void>(marks_.next());  // the second of them
        return true;
      }
      state_ = State::closed;
      close_ = at;
    } else if (c == '\n') {
      ++tokens_.lines;
    } else if (c == '\r') {
      if (at + 1 == size_ && !at_end)
        return false;
      if (dialect_.cr_ends_records && (at + 1 == size_ || text_[at + 1] != '\n'))
        ++tokens_.lines;
    } else if (c == '\0') {
      problem(Problem::nul_byte);
    }
    return true;
  }

  bool take_carriage_return(std::size_t at, bool at_end) {
    if (at + 1 == size_ && !at_end)
      return false;
    if (at + 1 < size_ && text_[at + 1] == '\n') {
      next_ = marks_.next();  // the line feed ends the record, and is right behind the closing quote
      if (state_ == State::closed) {
        add_field(close_);
        state_ = State::plain;
        add_record(at, at + 2, true);
        next_ = kFromMarks;
      }
      return true;
    }
    if (dialect_.cr_ends_records || at + 1 == size_) {
      add_field(state_ == State::closed ? close_ : at);
      add_record(at, at + 1, true);
    } else if (state_ == State::closed) {
      after_quote();
    }
    return true;
  }

  void after_quote() {
    problem(Problem::text_after_quote);
    state_ = State::plain;
  }

  void problem(Problem what) {
    if (record_.problem == Problem::none)
      record_.problem = what;
  }

  void add_field(std::size_t end) {
    CsvField field;
    field.begin = field_;
    field.size = static_cast<std::uint32_t>(end - field_);
    field.is_quoted = is_quoted_ ? 1 : 0;
    field.has_doubled_quotes = has_doubled_quotes_ ? 1 : 0;
    tokens_.fields.push_back(field);
    state_ = State::plain;
    is_quoted_ = has_doubled_quotes_ = false;
  }

  // `end` is before the line end, `next` behind it.
  void add_record(std::size_t end, std::size_t next, bool ends_line) {
    record_.length = static_cast<std::uint32_t>(end - record_.begin);
    record_.field_count = static_cast<std::uint32_t>(tokens_.fields.size()) - record_.first_field;
    if (record_.length > 0) {
      tokens_.records.push_back(record_);
    } else {
      tokens_.fields.truncate(record_.first_field);  // a blank line
    }
    tokens_.lines += ends_line ? 1 : 0;
    record_ = CsvRecord();
    record_.begin = field_ = static_cast<std::uint32_t>(next);
    record_.line = tokens_.lines;
    record_.first_field = static_cast<std::uint32_t>(tokens_.fields.size());
    state_ = State::plain;
  }

  // The record is not whole: forget it.
  std::size_t give_up() {
    tokens_.fields.truncate(record_.first_field);
    tokens_.lines = record_.line;
    return record_.begin;
  }

  static constexpr std::size_t kFromMarks = static_cast<std::size_t>(-1);

  const char* text_;
  std::size_t size_;
  CsvDialect dialect_;
  CsvTokens& tokens_;
  Marks marks_;
  CsvRecord record_;
  State state_ = State::plain;
  std::uint32_t field_ = 0;  // where the open field's content begins
  std::size_t close_ = 0;    // of a closed field: its closing quote
  std::size_t next_ = kFromMarks;
  bool is_quoted_ = false;
  bool has_doubled_quotes_ = false;
};

}  // namespace

std::size_t CsvTokenizer::split(const char* text, std::size_t size, bool at_end, CsvTokens& tokens) const {
  SHOPLAKE_CHECK(size <= kTextBytesMax);
  return Splitter(text, size, dialect_, tokens).run(at_end);
}

std::size_t CsvTokenizer::skip(std::string_view piece, std::uint32_t& lines) {
  for (std::size_t at = 0; at < piece.size(); ++at) {
    const char c = piece[at];
    if (skip_ == Skip::carriage_return) {  // the record ended at a CR; an LF belongs to it
      return c == '\n' ? at + 1 : at;
    }
    if (skip_ == Skip::quoted) {
      lines += c == '\n' || is_after_cr_ ? 1U : 0U;
      is_after_cr_ = c == '\r' && dialect_.cr_ends_records;
      if (c == dialect_.quote)
        skip_ = Skip::quote_in_quoted;
      continue;
    }
    if (skip_ == Skip::quote_in_quoted && c == dialect_.quote) {
      skip_ = Skip::quoted;
      continue;
    }
    if (c == '\n') {
      ++lines;
      return at + 1;
    }
    if (c == '\r' && dialect_.cr_ends_records) {
      ++lines;
      skip_ = Skip::carriage_return;
    } else if (c == dialect_.quote && skip_ == Skip::field_begin) {
      skip_ = Skip::quoted;
    } else {
      skip_ = c == dialect_.delimiter ? Skip::field_begin : Skip::field;
    }
  }
  return kNotYet;
}

}  // namespace shoplake::transform
