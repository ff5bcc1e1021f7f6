#pragma once

#include <cstdlib>
#include <string>

namespace bauta {

/// The Python that tests may use: BAUTA_PYTHON, or the one in .venv.
inline std::string python() {
  const char* set = std::getenv("BAUTA_PYTHON");
  return set != nullptr ? set : BAUTA_SOURCE_DIR "/.venv/bin/python";
}

/// Whether it is there and can import `modules`, given as "a, b".
inline bool python_has(const std::string& modules) {
  return std::system(("'" + python() + "' -c 'import " + modules + "' 2>/dev/null").c_str()) == 0;
}

/// Why a test that needs them is skipped.
inline std::string python_lacks(const std::string& modules) {
  return python() + " cannot import " + modules +
         ": install it there, or name another Python by BAUTA_PYTHON";
}

/// Runs a script, given relative to the source folder, with arguments that a shell understands.
inline bool run_python(const std::string& script, const std::string& arguments) {
  const std::string command = "'" + python() + "' '" BAUTA_SOURCE_DIR "/" + script + "' " + arguments;
  return std::system(command.c_str()) == 0;
}

}  // namespace bauta
