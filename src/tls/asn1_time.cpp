// asn1_time: see asn1_time.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "asn1_time.hpp"

#include <ctime>

namespace sallyport::detail {

std::optional<std::chrono::seconds> seconds_of(const ASN1_TIME* time) noexcept {
  std::tm parts{};
  if (time == nullptr) return std::nullopt;  // OpenSSL takes it for now
  ERR_set_mark();
  const bool readable = ASN1_TIME_to_tm(time, &parts) == 1;
  ERR_pop_to_mark();
  if (!readable) return std::nullopt;
  return std::chrono::seconds{::timegm(&parts)};
}

std::optional<std::chrono::system_clock::time_point> time_of(const ASN1_TIME* time) noexcept {
  using clock = std::chrono::system_clock;
  using std::chrono::seconds;
  const auto since_epoch = seconds_of(time);
  if (!since_epoch) return std::nullopt;
  if (*since_epoch >= std::chrono::floor<seconds>(clock::time_point::max().time_since_epoch())) {
    return clock::time_point::max();
  }
  if (*since_epoch <= std::chrono::ceil<seconds>(clock::time_point::min().time_since_epoch())) {
    return clock::time_point::min();
  }
  return clock::time_point{*since_epoch};
}

std::string to_string(const ASN1_TIME* time) {
  std::tm parts{};
  char text[64];
  if (!time || ASN1_TIME_to_tm(time, &parts) != 1) {
    ERR_clear_error();
    return "an unreadable date";
  }
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text, size};
}

std::string validity_problem(const X509& certificate) {
  const ASN1_TIME* not_before = X509_get0_notBefore(&certificate);
  const ASN1_TIME* not_after = X509_get0_notAfter(&certificate);
  const int begin = X509_cmp_current_time(not_before);
  const int end = X509_cmp_current_time(not_after);
  ERR_clear_error();
  // 0 is a date that OpenSSL can't read; clients can't either.
  if (begin == 0 || end == 0) return "has a validity period that cannot be read";
  if (end < 0) return "expired on " + to_string(not_after);
  if (begin > 0) return "is not valid before " + to_string(not_before);
  return {};
}

}  // namespace sallyport::detail
