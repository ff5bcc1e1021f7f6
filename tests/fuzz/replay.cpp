#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/core/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using bauta::Rng;

std::size_t below(Rng& rng, std::size_t bound) {
  return rng.below(static_cast<std::uint32_t>(std::max<std::size_t>(bound, 1)));
}

// A number at its limits, as bytes of either order or as digits.
std::string awkward_number(Rng& rng) {
  static const std::array<std::string, 12> kNumbers = {std::string(1, '\0'),
                                                       "\x01",
                                                       "\x7F",
                                                       "\x80",
                                                       "\xFF\xFF",
                                                       "\xFF\xFF\xFF\x7F",
                                                       "\x7F\xFF\xFF\xFF",
                                                       "-1",
                                                       "4294967296",
                                                       "1e309",
                                                       "9223372036854775807",
                                                       "18446744073709551616"};
  return kNumbers[below(rng, kNumbers.size())];
}

void mutate(std::string& input, const std::vector<std::string>& seeds, Rng& rng) {
  const std::size_t at = below(rng, input.size());
  const std::string& other = seeds[below(rng, seeds.size())];
  const std::size_t from = below(rng, other.size());
  const std::size_t length = below(rng, 64);
  const std::string number = awkward_number(rng);
  switch (below(rng, 6)) {
    case 0:
      if (!input.empty()) input[at] = static_cast<char>(input[at] ^ (1 << below(rng, 8)));
      return;
    case 1:
      input.resize(at);
      return;
    case 2:
      input.erase(at, length);
      return;
    case 3:
      input.insert(at, other, from, length);
      return;
    case 4:
      input = input.substr(0, at) + other.substr(from);
      return;
    default:
      input.replace(at, number.size(), number);
  }
}

std::vector<std::string> read_seeds(const char* folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

// Runs a fuzz target without a fuzzer: on each file of FOLDER, and on COUNT mutations of them, the same each
/// time.
int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::vector<std::string> seeds = read_seeds(argv[1]);
  if (seeds.empty()) return 2;
  for (const std::string& seed : seeds) run(seed);
  const auto count = static_cast<std::uint64_t>(std::atoll(argv[2]));
  for (std::uint64_t i = 0; i < count; ++i) {
    Rng rng(i, bauta::RngStream::shuffle);
    std::string input = seeds[i % seeds.size()];
    for (std::size_t n = 1 + below(rng, 4); n > 0; --n) mutate(input, seeds, rng);
    run(input);
  }
  std::printf("%zu seeds, %s mutations\n", seeds.size(), argv[2]);
  return 0;
}
