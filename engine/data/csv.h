#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/status.h"

namespace bauta {

/// One record of a CSV file.
struct CsvRow {
  int line = 0;                     ///< where it begins, from 1
  std::vector<std::string> fields;  ///< unquoted; at least one
};

/// The records of a CSV text as RFC 4180 has them: fields parted by commas; a field in double quotes may hold
/// commas, line breaks and doubled quotes. Lines end in \n or \r\n; a UTF-8 byte order mark and empty lines
/// are skipped. `file` names the text in errors, which give the line.
Result<std::vector<CsvRow>> parse_csv(std::string_view text, const std::string& file);

/// A record that parse_csv reads as these fields, of which there is at least one; with its line break.
std::string csv_record(const std::vector<std::string>& fields);

}  // namespace bauta
