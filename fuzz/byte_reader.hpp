// byte_reader: takes decisions off the front of a fuzzer's input.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_BYTE_READER_HPP
#define SALLYPORT_FUZZ_BYTE_READER_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sallyport::fuzz {

class byte_reader {
 public:
  byte_reader(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

  /// 0 when there is nothing left.
  std::uint8_t take() noexcept {
    if (left_.empty()) return 0;
    const std::uint8_t byte = left_.front();
    left_ = left_.subspan(1);
    return byte;
  }

  std::span<const std::uint8_t> rest() const noexcept { return left_; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(left_.data()), left_.size()}; }

 private:
  std::span<const std::uint8_t> left_;
};

}  // namespace sallyport::fuzz

#endif
