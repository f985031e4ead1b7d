// fixtures: the certificates, keys and pre-shared key that the fuzzers' servers and the clients of make_seeds use.
//
// They are fixed, so that what was recorded stays true: a seed holds a signature over the server's certificate. None of
// them protects anything. All are ECDSA P-256, and made with the openssl command; the servers live in the year 2030
// (fixed_world.hpp), when only `expired` has expired.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_FIXTURES_HPP
#define SALLYPORT_FUZZ_FIXTURES_HPP

#include <string_view>

namespace sallyport::fuzz {

/// PEM; each chain without its root.
struct fixture {
  std::string_view chain;
  std::string_view key;
};

extern const fixture ca;           ///< signed by itself, and all that the servers trust
extern const fixture server;       ///< for localhost, *.sallyport.example and 127.0.0.1
extern const fixture alice;        ///< a good client
extern const fixture bob;          ///< a good client, by way of an intermediate CA
extern const fixture expired;      ///< a client whose certificate has expired
extern const fixture stranger;     ///< a client of a CA that isn't trusted
extern const fixture self_signed;  ///< a client that signed its own

/// Of the encrypted keys among the seeds.
inline constexpr std::string_view passphrase = "fuzzing passphrase";

/// An identity and its key; the servers know no other.
inline constexpr std::string_view psk_identity = "alice";
inline constexpr std::string_view psk_key = "0123456789abcdef0123456789abcdef";

}  // namespace sallyport::fuzz

#endif
