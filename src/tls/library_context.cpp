// library_context: see library_context.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "library_context.hpp"

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::detail {
namespace {

/// Fetching makes OpenSSL load what its configuration says, or else the default provider.
std::string provider_of_digests(OSSL_LIB_CTX* library) {
  const std::unique_ptr<EVP_MD, openssl_free<EVP_MD_free>> digest{EVP_MD_fetch(library, "SHA2-256", nullptr)};
  return digest ? OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(digest.get())) : "";
}

bool has_other_providers(OSSL_LIB_CTX* library) {
  bool has_others = false;
  const auto look = [](OSSL_PROVIDER* provider, void* found) {
    constexpr std::array<std::string_view, 3> known{"default", "base", "legacy"};
    const std::string_view name = OSSL_PROVIDER_get0_name(provider);
    if (std::ranges::find(known, name) == known.end()) *static_cast<bool*>(found) = true;
    return 1;
  };
  return OSSL_PROVIDER_do_all(library, look, &has_others) != 1 || has_others;
}

/// OpenSSL doesn't tell where its seed comes from; with the default provider alone it is the operating system.
bool have_equal_random_generators(OSSL_LIB_CTX* one, OSSL_LIB_CTX* other) {
  EVP_RAND_CTX* const ones = RAND_get0_primary(one);
  EVP_RAND_CTX* const others = RAND_get0_primary(other);
  return ones != nullptr && others != nullptr &&
         std::string_view(EVP_RAND_get0_name(EVP_RAND_CTX_get0_rand(ones))) ==
             EVP_RAND_get0_name(EVP_RAND_CTX_get0_rand(others)) &&
         EVP_RAND_get_strength(ones) == EVP_RAND_get_strength(others);
}

bool is_like_the_usual_one(OSSL_LIB_CTX* library) {
  return provider_of_digests(nullptr) == "default" && provider_of_digests(library) == "default" &&
         !has_other_providers(nullptr) && EVP_default_properties_is_fips_enabled(nullptr) == 0 &&
         have_equal_random_generators(nullptr, library);
}

}  // namespace

OSSL_LIB_CTX* library_context(std::size_t number) {
  if (number == 0) return nullptr;
  static std::mutex mutex;
  static auto& made = *new std::vector<OSSL_LIB_CTX*>;
  const std::lock_guard lock(mutex);
  if (made.size() < number) made.resize(number);
  OSSL_LIB_CTX*& found = made[number - 1];
  if (found == nullptr) found = OSSL_LIB_CTX_new();
  ERR_set_mark();
  const bool is_alike = found != nullptr && is_like_the_usual_one(found);
  ERR_pop_to_mark();
  return is_alike ? found : nullptr;
}

}  // namespace sallyport::detail
