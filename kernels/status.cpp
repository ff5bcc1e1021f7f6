#include "kernels/status.h"

namespace bauta {

Status Status::error(const std::string& what, const std::string& where, const std::string& fix) {
  Status status;
  status.message_ = what;
  if (!where.empty()) status.message_ += " (" + where + ")";
  if (!fix.empty()) status.message_ += ": " + fix;
  // One line, whatever a file name or a tensor's name held.
  for (char& c : status.message_) {
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  }
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
