#include "kernels/status.h"

namespace bauta {
namespace {

// One line, whatever a file name or a tensor's name held.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  }
  return text;
}

}  // namespace

Status Status::error(const std::string& what, const std::string& where, const std::string& fix) {
  Status status;
  status.message_ =
      one_line(what + (where.empty() ? "" : " (" + where + ")") + (fix.empty() ? "" : ": " + fix));
  status.what_size_ = what.size();
  return status;
}

Status Status::in(const std::string& where) const {
  if (ok()) return {};
  Status status = *this;
  const bool has_where = message_.compare(what_size_, 2, " (") == 0;
  status.message_.replace(what_size_, has_where ? 2 : 0, one_line(" (" + where + (has_where ? ", " : ")")));
  return status;
}

Status Status::usage(const std::string& what, const std::string& where, const std::string& fix) {
  Status status = error(what, where, fix);
  status.kind_ = Kind::usage;
  return status;
}

Status Status::fault(const std::string& what, const std::string& where, const std::string& fix) {
  Status status = error(what, where, fix);
  status.kind_ = Kind::fault;
  return status;
}

}  // namespace bauta
