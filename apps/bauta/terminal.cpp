#include "apps/bauta/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace bauta {
namespace {

// What removes a half-drawn progress bar before a line is printed.
constexpr const char* kClearLine = "\r\033[K";
constexpr double kSecondsBetweenBars = 0.1;
constexpr double kSecondsBetweenLines = 5;

FileDescriptor output_for_errors;  // none: stderr

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_terminal(int fd) { return isatty(fd) == 1 && environment("TERM") != "dumb"; }

std::string coloured(int fd, const char* code, const std::string& text) {
  if (!is_terminal(fd) || !environment("NO_COLOR").empty()) return text;
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

// What cannot be written is told at the program's end: see main.cpp.
void write_text(std::FILE* file, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

void print_line(std::FILE* file, const std::string& text) {
  if (is_terminal(STDERR_FILENO)) write_text(stderr, kClearLine);
  write_text(file, text + "\n");
}

// Whether the terminal shows the eighths of a block that tqdm's bar is made of.
bool is_utf8_terminal() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = environment(name);
    if (!value.empty())
      return value.find("UTF-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

int terminal_width() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

// `part` in [0, 1] of `width` columns.
std::string bar(double part, int width) {
  const bool utf8 = is_utf8_terminal();
  const int steps = utf8 ? 8 : 1;
  const int filled = static_cast<int>(part * width * steps);
  std::string text;
  for (int i = 0; i < filled / steps; ++i) text += utf8 ? "█" : "#";
  int columns = filled / steps;
  if (filled % steps != 0) {
    constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    text += kEighths[filled % steps];
    ++columns;
  }
  return text + std::string(static_cast<std::size_t>(width - columns), ' ');
}

std::size_t columns_of(const std::string& text) {
  // Continuation bytes of UTF-8 take no column.
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Whether it is one of ASCII's control characters.
bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

// $'...', in which a shell reads numbers of characters.
std::string shell_word_of_controls(const std::string& word) {
  std::string quoted = "$'";
  for (const char c : word) {
    if (is_control(c)) {
      quoted += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    } else {
      quoted += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
    }
  }
  return quoted + "'";
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) {
      return static_cast<unsigned char>(at < text.size() ? text[at] : 0);
    };
    const bool c1_control = byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0;  // in UTF-8
    shown += is_control(text[i]) || c1_control ? '?' : text[i];
    if (c1_control) ++i;
  }
  return shown;
}

// Not by way of stdio: it is also called while another thread may hang in there.
void print_error(const std::string& message) {
  const int output = error_output();
  const std::string line = std::string(is_terminal(output) ? kClearLine : "") +
                           "bauta: " + coloured(output, "31", "error") + ": " + printable(message) + "\n";
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t written = ::write(output, rest.data(), rest.size());
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

int error_output() { return output_for_errors.get() >= 0 ? output_for_errors.get() : STDERR_FILENO; }

void print_errors_to(FileDescriptor descriptor) { output_for_errors = std::move(descriptor); }

void print_warning(std::string_view message) {
  print_line(stderr, "bauta: " + coloured(STDERR_FILENO, "33", "warning") + ": " + printable(message));
}

void print_note(const std::string& line, bool keep_stdout) {
  print_line(keep_stdout ? stderr : stdout, printable(line));
}

void print_news(const std::string& line, const std::string& news) {
  print_line(stdout, printable(line) + coloured(STDOUT_FILENO, "32", printable(news)));
}

void print_text(const std::string& text) { write_text(stdout, text); }

void print_json(const OrderedJson& json) {
  print_line(stdout, json.dump(-1, ' ', /*ensure_ascii=*/false, OrderedJson::error_handler_t::replace));
}

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > (number < 0 ? 1 : 0); i -= 3) {
    text.insert(static_cast<std::size_t>(i), ",");
  }
  return text;
}

std::string counted(std::int64_t number, const std::string& noun) {
  return with_commas(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds));
  if (s < 3600) return fmt::format("{:02}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string table(std::vector<std::vector<std::string>> rows, const std::vector<std::size_t>& left) {
  std::vector<std::size_t> widths;
  for (auto& row : rows) {
    std::ranges::transform(row, row.begin(), printable);
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], columns_of(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - columns_of(row[c]), ' ');
      const bool to_left = c == 0 || std::find(left.begin(), left.end(), c) != left.end();
      line += (c == 0 ? "" : "  ") + (to_left ? row[c] + space : space + row[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string shell_word(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  if (std::ranges::any_of(word, is_control)) return shell_word_of_controls(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

Progress::Progress(std::string label, std::int64_t total, std::int64_t done, double silent)
    : label_(std::move(label)),
      total_(total),
      first_(done),
      start_(std::chrono::steady_clock::now()),
      next_(is_terminal(STDERR_FILENO) ? silent : std::max(silent, kSecondsBetweenLines)) {}

Progress::~Progress() {
  if (!drawn_ || !is_terminal(STDERR_FILENO)) return;
  write_text(stderr, kClearLine);
}

double Progress::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::update(std::int64_t done, const std::string& detail) {
  const double now = elapsed();
  if (now < next_) return;
  draw(done, detail);
  next_ = now + (is_terminal(STDERR_FILENO) ? kSecondsBetweenBars : kSecondsBetweenLines);
}

std::string Progress::line(std::int64_t done, const std::string& detail, int width) const {
  const double seconds = elapsed();
  const double part = total_ > 0 ? static_cast<double>(done) / static_cast<double>(total_) : 0;
  const double rate = seconds > 0 ? static_cast<double>(done - first_) / seconds : 0;
  const std::string eta = rate > 0 ? clock_text(static_cast<double>(total_ - done) / rate) : "?";
  const std::string speed = rate > 0 ? fmt::format("{:.2f}it/s", rate) : "?it/s";
  const std::string head = fmt::format("{}: {:3.0f}%", label_, std::floor(100 * part));
  const std::string tail = fmt::format("{}/{} [{}<{}, {}{}{}]", done, total_, clock_text(seconds), eta, speed,
                                       detail.empty() ? "" : ", ", detail);
  if (width == 0) return head + " " + tail;
  const int room = width - 1 - static_cast<int>(columns_of(head) + columns_of(tail)) - 3;
  if (room < 1) return (head + " " + tail).substr(0, static_cast<std::size_t>(width - 1));
  return fmt::format("{}|{}| {}", head, bar(std::clamp(part, 0.0, 1.0), std::min(room, 40)), tail);
}

void Progress::draw(std::int64_t done, const std::string& detail) {
  if (is_terminal(STDERR_FILENO)) {
    write_text(stderr, fmt::format("\r{}\033[K", line(done, detail, terminal_width())));
  } else {
    write_text(stderr, line(done, detail, 0) + "\n");
  }
  drawn_ = true;
}

}  // namespace bauta
