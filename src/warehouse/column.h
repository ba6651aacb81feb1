// Columns of a lake table in a warehouse: names, types, and the engine's expression whose text the warehouse reads.
// Pure functions.
//
//   Iceberg        PostgreSQL           Redshift              Spectrum           Athena
//   boolean        boolean              boolean               boolean            boolean
//   int            integer              integer               integer            int
//   long           bigint               bigint                bigint             bigint
//   float          real                 real                  real               float
//   double         double precision     double precision      double precision   double
//   decimal(P,S)   numeric(P,S)         decimal(P,S)          decimal(P,S)       decimal(P,S)
//   date           date                 date                  date               date
//   time           time                 varchar(15)           bigint (micros)    bigint (micros)
//   timestamp      timestamp            timestamp             timestamp          timestamp
//   timestamptz    timestamptz          timestamptz           timestamp (UTC)    timestamp (UTC)
//   string         text                 varchar(65535)        varchar(65535)     string
//   uuid           uuid                 varchar(36)           varbyte(16)        binary
//   binary, fixed  bytea                varbyte(1024000)      varbyte(1024000)   binary
//   nested         jsonb                super                 struct<…>, array<…>, map<…>
//
// PostgreSQL and Redshift hold no U+0000 in text: it becomes U+FFFD, in nested values too. JSON has no NaN and no
// infinities: in nested values they become null. Nested binary is text, \x and hexadecimal digits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/table_metadata.h"

namespace shoplake::warehouse {

using base::Result;

enum class Dialect { postgres, redshift, spectrum, athena };
std::string_view name(Dialect dialect);

struct Column {
  std::string name;
  std::string type;         // of the warehouse's table
  std::string staged_type;  // of the table it is copied into first, where that is another one
  std::string lake_type;    // Iceberg's name
};

// Error warehouse.bad_name (kind usage): a name is empty, longer than the warehouse takes (63 bytes PostgreSQL, 127
// Redshift, 255 Athena), holds U+0000, or is one with another but for upper case (Redshift and Athena fold names).
Result<std::vector<Column>> columns(const catalog::Schema& schema, Dialect dialect);

// What the warehouse keeps of a name: folded to lower case by all but PostgreSQL.
std::string folded(std::string_view name, Dialect dialect);

// The select list over the lake's columns that the stage is written from: text for PostgreSQL's COPY in CSV form,
// values that Redshift's COPY takes from Parquet.
std::string export_list(const catalog::Schema& schema, Dialect dialect);

// "a""b", `a``b` of Athena.
std::string quoted(std::string_view name, Dialect dialect);
std::string quoted_literal(std::string_view text);  // of a standard-conforming string

struct TableName {
  std::string schema;
  std::string table;
};
// "schema.table". Errors: warehouse.bad_name.
Result<TableName> parse_table_name(std::string_view text, Dialect dialect);
std::string to_string(const TableName& name, Dialect dialect);  // quoted

}  // namespace shoplake::warehouse
