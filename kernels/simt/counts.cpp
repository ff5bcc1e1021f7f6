#include "kernels/simt/counts.h"

#include <algorithm>
#include <bit>
#include <span>
#include <tuple>

namespace bauta::simt {
namespace {

constexpr unsigned kSectorBytes = 32;

auto place(const SiteCount& site) {
  return std::tie(site.file, site.line, site.column, site.space, site.access);
}

void add(SiteCount& sum, const SiteCount& site) {
  sum.requests += site.requests;
  sum.bytes += site.bytes;
  sum.transactions += site.transactions;
  sum.ideal += site.ideal;
}

SiteCount sum_of(const std::vector<SiteCount>& sites, Space space) {
  SiteCount sum{};
  for (const SiteCount& site : sites) {
    if (site.space == space) add(sum, site);
  }
  return sum;
}

std::size_t distinct(std::span<std::uint64_t> values) {
  std::sort(values.begin(), values.end());
  return static_cast<std::size_t>(std::unique(values.begin(), values.end()) - values.begin());
}

}  // namespace

SiteCount LaunchCounts::total(Space space, runtime::Access access) const {
  SiteCount sum{{}, 0, 0, space, access};
  for (const SiteCount& site : sites) {
    if (site.space == space && site.access == access) add(sum, site);
  }
  return sum;
}

double LaunchCounts::moved_bytes() const {
  return kSectorBytes * static_cast<double>(sum_of(sites, Space::global).transactions);
}

double LaunchCounts::ideal_bytes() const {
  return kSectorBytes * static_cast<double>(sum_of(sites, Space::global).ideal);
}

double LaunchCounts::bank_conflict_degree() const {
  const SiteCount sum = sum_of(sites, Space::shared);
  return sum.ideal == 0 ? 1 : static_cast<double>(sum.transactions) / static_cast<double>(sum.ideal);
}

namespace runtime {
namespace {

constexpr unsigned kBankBytes = 4;
constexpr unsigned kBanks = 32;

struct Cost {
  std::uint64_t transactions = 0;
  std::uint64_t ideal = 0;
};

Cost sectors(std::span<std::uint64_t> addresses, unsigned bytes) {
  const std::size_t different = distinct(addresses);
  const std::uint64_t asked = different * bytes;
  std::array<std::uint64_t, 64> touched;
  std::size_t count = 0;
  for (std::uint64_t address : addresses.first(different)) {
    touched[count++] = address / kSectorBytes;
    touched[count++] = (address + bytes - 1) / kSectorBytes;
  }
  return {distinct(std::span(touched).first(count)), (asked + kSectorBytes - 1) / kSectorBytes};
}

// The lanes whose accesses the hardware makes at once: 128 bytes' worth.
Cost bank_passes(std::span<std::uint64_t> addresses, unsigned bytes) {
  std::array<std::uint64_t, 32 * 4> words;
  std::size_t count = 0;
  for (std::uint64_t address : addresses) {
    for (unsigned byte = 0; byte < bytes; byte += kBankBytes) words[count++] = (address + byte) / kBankBytes;
  }
  const std::size_t different = distinct(std::span(words).first(count));
  std::array<unsigned, kBanks> in_bank = {};
  for (std::size_t i = 0; i < different; ++i) ++in_bank[words[i] % kBanks];
  return {*std::max_element(in_bank.begin(), in_bank.end()), 1};
}

}  // namespace

Counts::Site& Counts::site_at(int warp, Space space, Access access, const Where& where) {
  static_assert(sizeof(Where) == sizeof(std::uint64_t));
  const std::uint64_t key = std::bit_cast<std::uint64_t>(where) * 8 + static_cast<unsigned>(access) * 2 +
                            static_cast<unsigned>(space);
  auto [entry, added] = warps_[static_cast<std::size_t>(warp)].try_emplace(key);
  if (added) entry->second.count = {file_of(where), where.line(), where.column(), space, access};
  return entry->second;
}

void Counts::note(int warp, int lane, Space space, Access access, std::uint64_t address, unsigned bytes,
                  const Where& where) {
  Site& site = site_at(warp, space, access, where);
  site.bytes = bytes;
  const std::size_t k = site.accesses[static_cast<std::size_t>(lane)]++;
  if (k >= site.requests.size()) site.requests.resize(k + 1);
  site.requests[k].lanes |= 1U << lane;
  site.requests[k].address[static_cast<std::size_t>(lane)] = address;
}

void Counts::skip(int warp, int lane, const Where& where) {
  ++site_at(warp, Space::global, Access::load, where).accesses[static_cast<std::size_t>(lane)];
}

void Counts::finish(Site& site) {
  const unsigned group =
      site.count.space == Space::global || site.bytes <= kBankBytes ? 32 : kBanks * kBankBytes / site.bytes;
  for (const Request& request : site.requests) {
    if (request.lanes == 0) continue;
    for (unsigned first = 0; first < 32; first += group) {
      std::array<std::uint64_t, 32> addresses;
      std::size_t count = 0;
      for (unsigned lane = first; lane < first + group; ++lane) {
        if ((request.lanes >> lane & 1) != 0) addresses[count++] = request.address[lane];
      }
      if (count == 0) continue;
      const std::span used = std::span(addresses).first(count);
      const Cost cost =
          site.count.space == Space::global ? sectors(used, site.bytes) : bank_passes(used, site.bytes);
      site.count.bytes += count * site.bytes;
      site.count.transactions += cost.transactions;
      site.count.ideal += cost.ideal;
    }
    ++site.count.requests;
  }
  site.requests.clear();
  site.accesses = {};
}

void Counts::flush(int warp) {
  for (auto& [key, site] : warps_[static_cast<std::size_t>(warp)]) finish(site);
}

void Counts::add_to(LaunchCounts& launch) {
  launch.barriers += barriers;
  launch.warp_barriers += warp_barriers;
  launch.mma += mma;
  for (auto& warp : warps_) {
    for (auto& [key, site] : warp) {
      finish(site);
      const auto less = [](const SiteCount& a, const SiteCount& b) { return place(a) < place(b); };
      const auto at = std::lower_bound(launch.sites.begin(), launch.sites.end(), site.count, less);
      if (at == launch.sites.end() || place(*at) != place(site.count)) {
        launch.sites.insert(at, site.count);
      } else {
        add(*at, site.count);
      }
    }
  }
}

}  // namespace runtime
}  // namespace bauta::simt
