// load_key_decoding: see load_key_decoding.hpp. OpenSSL 3.0 keeps the old way for keys of a type that an engine has
// methods for. So there is an engine here, whose methods are OpenSSL's own.
//
// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED
#include "load_key_decoding.hpp"

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>

namespace load {

#ifdef OPENSSL_NO_ENGINE

bool decode_keys_quickly() { return false; }

#else

namespace {

constexpr std::array<int, 2> key_types{EVP_PKEY_EC, EVP_PKEY_RSA};

// Without a method asked for: which types there are.
int key_methods(ENGINE*, EVP_PKEY_METHOD** method, const int** types, int type) {
  if (method == nullptr) {
    *types = key_types.data();
    return static_cast<int>(key_types.size());
  }
  *method = const_cast<EVP_PKEY_METHOD*>(EVP_PKEY_meth_find(type));
  return *method != nullptr ? 1 : 0;
}

}  // namespace

bool decode_keys_quickly() {
  ENGINE* const engine = ENGINE_new();
  const bool done = engine != nullptr && ENGINE_set_id(engine, "load") == 1 &&
                    ENGINE_set_name(engine, "OpenSSL's own methods") == 1 &&
                    ENGINE_set_pkey_meths(engine, key_methods) == 1 && ENGINE_add(engine) == 1 &&
                    ENGINE_register_pkey_meths(engine) == 1;
  ENGINE_free(engine);  // the list that it was added to has a reference; being registered is none
  ERR_clear_error();
  return done;
}

#endif

}  // namespace load
