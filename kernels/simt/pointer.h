#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/simt/block.h"
#include "kernels/simt/types.h"

/// Arrays that check every access. A kernel indexes them as it would plain pointers and arrays; every index
/// notes the line of the kernel that it stands in. What is read must be given a type (`const float v =
/// a[i]`): `auto` would keep the element rather than its value, and does not compile when it is used.
namespace bauta::simt {
namespace runtime {

/// An index, and where in the source it is written.
struct At {
  template <std::integral I>
  At(I index, const Where& at = Where::current()) : value(static_cast<std::ptrdiff_t>(index)), where(at) {}

  std::ptrdiff_t value;
  Where where;
};

}  // namespace runtime

template <class T>
class Element;

/// A checked T*. It knows the array that it points into and may stand outside of it, but not be read there.
template <class T>
class Pointer {
 public:
  Pointer() = default;
  explicit Pointer(const runtime::Place& place) : place_(place) {}
  operator Pointer<const T>() const { return Pointer<const T>(place_); }

  Element<T> operator[](runtime::At at) const { return Element<T>(*this + at); }
  Pointer operator+(runtime::At at) const {
    runtime::Place place = place_;
    place.offset += at.value * static_cast<std::ptrdiff_t>(sizeof(T));
    place.where = at.where;
    return Pointer(place);
  }
  explicit operator bool() const { return place_.begin != nullptr; }

  const runtime::Place& place() const { return place_; }

 private:
  runtime::Place place_;
};

namespace runtime {

template <class Vector, class T>
Vector load(const Pointer<T>& p) {
  Vector value;
  std::memcpy(&value, access(p.place(), Access::load, sizeof value, alignof(Vector)), sizeof value);
  return value;
}

template <class Vector, class T>
void store(const Pointer<T>& p, const Vector& value) {
  static_assert(!std::is_const_v<T>, "this array is only to be read");
  std::memcpy(access(p.place(), Access::store, sizeof value, alignof(Vector)), &value, sizeof value);
}

}  // namespace runtime

/// What a[i] is until it is read or written.
template <class T>
class Element {
 public:
  using Value = std::remove_const_t<T>;

  explicit Element(const Pointer<T>& at) : at_(at) {}
  Element(const Element&) = delete;

  operator Value() && { return runtime::load<Value>(at_); }
  Pointer<T> operator&() && { return at_; }

  void operator=(const Value& value) && { runtime::store(at_, value); }
  void operator=(Element&& other) && { runtime::store(at_, Value(std::move(other))); }
  void operator+=(const Value& value) && {
    runtime::store(at_, static_cast<Value>(runtime::load<Value>(at_) + value));
  }
  void operator*=(const Value& value) && {
    runtime::store(at_, static_cast<Value>(runtime::load<Value>(at_) * value));
  }

 private:
  Pointer<T> at_;
};

namespace runtime {

/// The part `index` of `count` that an array of T with these further dimensions consists of: an element or a
/// row.
template <class T, std::size_t... kRest>
auto part(Place place, std::size_t count, const At& at) {
  constexpr std::size_t kBytes = (sizeof(T) * ... * kRest);
  place.where = at.where;
  if constexpr (sizeof...(kRest) == 0) {
    place.offset = at.value * static_cast<std::ptrdiff_t>(kBytes);
    return Element<T>(Pointer<T>(place));
  } else {
    const bool inside = at.value >= 0 && static_cast<std::size_t>(at.value) < count;
    if (inside) place.begin += static_cast<std::size_t>(at.value) * kBytes;
    place.bytes = inside ? kBytes : 0;  // every access of a row that does not exist is out of bounds
    return place;
  }
}

}  // namespace runtime

/// A row of a shared array, itself an array of `kFirst` elements or rows.
template <class T, std::size_t kFirst, std::size_t... kRest>
class Row {
 public:
  explicit Row(const runtime::Place& place) : place_(place) {}

  auto operator[](runtime::At at) const {
    if constexpr (sizeof...(kRest) == 0) {
      return runtime::part<T>(place_, kFirst, at);
    } else {
      return Row<T, kRest...>(runtime::part<T, kRest...>(place_, kFirst, at));
    }
  }
  operator Pointer<T>() const { return Pointer<T>(place_); }

 private:
  runtime::Place place_;
};

/// A shared array of T with the given dimensions. The variable is a handle: the block that runs gives it
/// memory when it is first used.
template <class T, std::size_t... kSizes>
class Shared {
 public:
  using ElementType = T;
  static constexpr std::size_t kBytes = (sizeof(T) * ... * kSizes);

  constexpr Shared() = default;
  /// A handle of an array that there is already.
  explicit Shared(runtime::SharedArray* array) : array_(array), serial_(runtime::current->block->serial()) {}

  auto operator[](runtime::At at) const { return Row<T, kSizes...>(place())[at]; }

 private:
  runtime::Place place() const {
    runtime::Block& block = *runtime::current->block;
    if (serial_ != block.serial()) {
      array_ = block.allocate(kBytes, sizeof(T));
      serial_ = block.serial();
    }
    return {array_->data(), kBytes, 0, array_, {}};
  }

  mutable runtime::SharedArray* array_ = nullptr;
  mutable std::uint64_t serial_ = 0;
};

}  // namespace bauta::simt
