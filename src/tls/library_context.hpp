// library_context: OpenSSL's library contexts beside the usual one, for servers that mustn't wait for each other.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_LIBRARY_CONTEXT_HPP
#define SALLYPORT_TLS_LIBRARY_CONTEXT_HPP

#include "openssl.hpp"

#include <cstddef>

namespace sallyport::detail {

/// All threads of a process write the locks and the counters of references of the usual OSSL_LIB_CTX in every
/// handshake; with four busy cores they cost a seventh of it. So each shard of a group has one of its own, by its
/// number: from 1 on; 0 is the usual one, which is null for OpenSSL. Any thread may ask.
///
/// They have OpenSSL's default provider, and nothing else. So all numbers are the usual one while that has what those
/// would lack: providers but default and base, properties such as FIPS by which it fetches something else, another
/// kind of random generator; or while this thread has yet another one as its default. Keys in tokens may be usable in
/// the usual one alone.
///
/// They are never freed: certificates that were received point to them, and have no end that we know of. Each takes a
/// quarter of a megabyte and two of the process's 1024 thread-specific keys (pthread_key_create), so numbers beyond
/// most_library_contexts begin again with the first.
OSSL_LIB_CTX* library_context(std::size_t number);
constexpr std::size_t most_library_contexts = 64;

}  // namespace sallyport::detail

#endif
