#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/file.h"
#include "kernels/status.h"

namespace bauta {

using OrderedJson = nlohmann::ordered_json;

/// `text` with a '?' for every control character, of which names of files, classes and tensors may hold some:
/// one line, with nothing in it that a terminal obeys.
std::string printable(std::string_view text);

// Of what is printed here, only print_json and print_text leave control characters as they are.

/// "bauta: error: MESSAGE" as one line on error_output(), "error" in red on a terminal.
void print_error(const std::string& message);

/// The descriptor that errors are written to: stderr's, unless it was told to be another.
int error_output();

/// Has errors go to this descriptor, whatever becomes of stderr: to the person, where a rank has a log.
void print_errors_to(FileDescriptor descriptor);

/// "bauta: warning: MESSAGE" as one line on stderr, "warning" in yellow on a terminal.
void print_warning(std::string_view message);

/// A line of what a run says about itself: on stdout, or on stderr where stdout is kept for results.
void print_note(const std::string& line, bool keep_stdout = false);

/// A note that ends in good news: these are green where stdout is a terminal.
void print_news(const std::string& line, const std::string& news);

/// Text of whole lines, such as tables, on stdout.
void print_text(const std::string& text);

/// One line of JSON on stdout. Names that are not UTF-8 lose the bytes that are not; NaN becomes null.
void print_json(const OrderedJson& json);

/// "1,234,567".
std::string with_commas(std::int64_t number);

/// "1 step", "1,234 steps".
std::string counted(std::int64_t number, const std::string& noun);

/// `word` as it is typed in a shell, quoted where need be.
std::string shell_word(const std::string& word);

/// A duration in seconds as "02:05" or "1:02:05".
std::string clock_text(double seconds);

/// Rows of text in columns that are as wide as their widest cell, two spaces between. The first column is
/// aligned to the left, the others to the right unless named in `left`. Cells become printable().
std::string table(std::vector<std::vector<std::string>> rows, const std::vector<std::size_t>& left = {});

/// How far something has come, on stderr: on a terminal one line that is drawn again and again, in the manner
/// of tqdm,
///     epoch 3/10:  45%|████▌     | 1310/2897 [00:16<00:20, 79.12it/s, 2532 images/s, loss=0.0221]
/// and elsewhere a plain line of the same words every 5 seconds. Leaves nothing on the terminal when
/// destroyed.
class Progress {
 public:
  /// `done` of `total` are done already; nothing is shown during the first `silent` seconds.
  Progress(std::string label, std::int64_t total, std::int64_t done = 0, double silent = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of the total are done; `detail` is added behind the rate.
  void update(std::int64_t done, const std::string& detail = {});

  /// Seconds since the making.
  double elapsed() const;

 private:
  std::string line(std::int64_t done, const std::string& detail, int width) const;
  void draw(std::int64_t done, const std::string& detail);

  std::string label_;
  std::int64_t total_;
  std::int64_t first_;
  std::chrono::steady_clock::time_point start_;
  double next_;  // seconds since start_ before which nothing is drawn
  bool drawn_ = false;
};

}  // namespace bauta
