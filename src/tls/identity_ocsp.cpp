// identity: the OCSP response that it staples.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/identity.hpp>

#include "file_contents.hpp"
#include "identity_data.hpp"
#include "identity_key.hpp"
#include "ocsp_response.hpp"
#include "ocsp_stapling.hpp"

#include <utility>

namespace sallyport {

namespace {

constexpr std::size_t response_file_limit = std::size_t{1} << 20;

/// Null if OpenSSL is out of memory.
std::shared_ptr<X509> certificate_with(const std::shared_ptr<const detail::ocsp_response>& response,
                                       const detail::identity_data& data) {
  detail::x509_ptr copy = detail::stapled(data.certificate.get(), response);
  // The copy has been decoded, with a public key of its own again.
  if (copy && detail::has_shared_key(data.certificate.get(), data.key.get())) {
    copy = detail::with_shared_key(std::move(copy), data.key.get());
    // Whatever went wrong: the response matters more.
    if (copy && !detail::has_shared_key(copy.get(), data.key.get())) return detail::stapled(copy.get(), response);
  }
  return copy;
}

result<std::shared_ptr<const detail::identity_data>> with_response(const detail::identity_data& data,
                                                                   std::string_view der, const std::string& name) {
  auto parsed = detail::parse_ocsp_response(der, name, data);
  if (!parsed) return parsed.error();
  auto response = std::make_shared<const detail::ocsp_response>(*std::move(parsed));

  auto copy = std::make_shared<detail::identity_data>(data);
  copy->certificate = certificate_with(response, data);
  if (!copy->certificate) return error{configuration_error::internal, name + ": " + detail::take_openssl_error()};
  // Those of the response that it stapled so far, which were put last, go with it.
  if (data.staple) copy->warnings.resize(copy->warnings.size() - data.staple->warnings.size());
  copy->warnings.insert(copy->warnings.end(), response->warnings.begin(), response->warnings.end());
  copy->staple = std::move(response);
  ERR_clear_error();
  return std::shared_ptr<const detail::identity_data>(std::move(copy));
}

}  // namespace

result<identity> identity::with_ocsp_response(std::string_view response) const {
  auto data = with_response(*data_, response, "OCSP response");
  if (!data) return data.error();
  return identity{*std::move(data)};
}

result<identity> identity::with_ocsp_response_file(const std::filesystem::path& file) const {
  const auto contents = detail::read_file(file, response_file_limit, "OCSP response");
  if (!contents) return contents.error();
  auto data = with_response(*data_, contents->text.view(), file.string());
  if (!data) return data.error();
  return identity{*std::move(data)};
}

std::optional<std::chrono::system_clock::time_point> identity::ocsp_response_end() const {
  if (!data_->staple) return std::nullopt;
  return data_->staple->end;
}

}  // namespace sallyport
