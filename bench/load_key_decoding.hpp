// load_key_decoding: how the key in the server's certificate is read.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_KEY_DECODING_HPP
#define SALLYPORT_BENCH_LOAD_KEY_DECODING_HPP

namespace load {

/// Has OpenSSL 3 read public keys of certificates in the way of OpenSSL 1.1, for the whole process. Its own way looks
/// through all decoders of all providers for each certificate, which is a quarter of the client's work in a handshake.
/// False if it can't be had, and everything is as before.
bool decode_keys_quickly();

}  // namespace load

#endif
