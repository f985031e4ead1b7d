// slow_key: keys whose passphrase takes long to try.
//
// SPDX-License-Identifier: Apache-2.0
#include "slow_key.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

namespace sallyport::fuzz {
namespace {

constexpr long most_rounds = 5000;

/// The largest INTEGER anywhere in a DER structure, down to some depth. A number of rounds is one of them, whatever
/// the scheme: PBKDF2's iterations, scrypt's N, r and p, PKCS#12's.
long largest_number(const unsigned char* in, long size, int depth) {
  long largest = 0;
  const unsigned char* const end = in + size;
  while (in < end && depth > 0) {
    const unsigned char* const start = in;
    long length = 0;
    int tag = 0;
    int tag_class = 0;
    const int form = ASN1_get_object(&in, &length, &tag, &tag_class, end - in);
    if ((form & 0x80) != 0) return largest;
    // Of an indefinite length (the 1 in form) the content goes on to the end.
    if ((form & 1) != 0 && length == 0) length = end - in;
    if ((form & V_ASN1_CONSTRUCTED) != 0) {
      largest = std::max(largest, largest_number(in, length, depth - 1));
    } else if (tag == V_ASN1_INTEGER) {
      const unsigned char* at = start;
      ASN1_INTEGER* const number = d2i_ASN1_INTEGER(nullptr, &at, in + length - start);
      std::int64_t value = 0;
      if (number == nullptr || ASN1_INTEGER_get_int64(&value, number) != 1) value = most_rounds + 1;
      ASN1_INTEGER_free(number);
      largest = std::max(largest, static_cast<long>(value));
    }
    in += length;
  }
  return largest;
}

}  // namespace

bool is_slow_to_decrypt(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      BIO_free);
  bool slow = false;
  char* label = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (!slow && PEM_read_bio(bio.get(), &label, &header, &data, &size) == 1) {
    slow = std::string_view(label) == "ENCRYPTED PRIVATE KEY" && largest_number(data, size, 16) > most_rounds;
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(data);
  }
  ERR_clear_error();
  return slow;
}

}  // namespace sallyport::fuzz
