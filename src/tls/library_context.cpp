// library_context: see library_context.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "library_context.hpp"

#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <array>
#include <mutex>
#include <string>
#include <string_view>

namespace sallyport::detail {
namespace {

/// Asked for it; with something else it would be changed.
OSSL_LIB_CTX* default_of_this_thread() { return OSSL_LIB_CTX_set0_default(nullptr); }

/// Fetching makes OpenSSL load what its configuration says, or else the default provider.
std::string provider_of_digests(OSSL_LIB_CTX* library) {
  const std::unique_ptr<EVP_MD, openssl_free<EVP_MD_free>> digest{EVP_MD_fetch(library, "SHA2-256", nullptr)};
  return digest ? OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(digest.get())) : "";
}

bool has_other_providers(OSSL_LIB_CTX* library) {
  bool has_others = false;
  const auto look = [](OSSL_PROVIDER* provider, void* found) {
    const std::string_view name = OSSL_PROVIDER_get0_name(provider);
    if (name != "default" && name != "base") *static_cast<bool*>(found) = true;
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
  OSSL_LIB_CTX* const usual = OSSL_LIB_CTX_get0_global_default();
  return default_of_this_thread() == usual && provider_of_digests(usual) == "default" &&
         provider_of_digests(library) == "default" && !has_other_providers(usual) &&
         EVP_default_properties_is_fips_enabled(usual) == 0 && have_equal_random_generators(usual, library);
}

}  // namespace

OSSL_LIB_CTX* library_context(std::size_t number) {
  if (number == 0) return nullptr;
  static std::mutex mutex;
  static constinit std::array<OSSL_LIB_CTX*, most_library_contexts> made{};
  const std::lock_guard lock(mutex);
  OSSL_LIB_CTX*& found = made[(number - 1) % most_library_contexts];
  if (found == nullptr) found = OSSL_LIB_CTX_new();
  ERR_set_mark();
  const bool is_alike = found != nullptr && is_like_the_usual_one(found);
  ERR_pop_to_mark();
  return is_alike ? found : nullptr;
}

}  // namespace sallyport::detail
