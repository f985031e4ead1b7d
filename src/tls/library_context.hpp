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
/// would lack: providers but default, base and legacy (TLS needs nothing of the last two), properties such as FIPS by
/// which it fetches something else, another kind of random generator. Keys in tokens may be usable in the usual one
/// alone.
///
/// They are never freed: certificates that were received point to them, and have no end that we know of.
OSSL_LIB_CTX* library_context(std::size_t number);

}  // namespace sallyport::detail

#endif
