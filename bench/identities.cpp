// identities: makes as many certificates as a large server has, and measures what it takes to load them.
//
// SPDX-License-Identifier: Apache-2.0
#include "named_identities.hpp"
#include "program.hpp"

#include <sallyport/context.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <sys/stat.h>
#include <time.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

template <auto Free>
struct free_by {
  void operator()(auto* object) const noexcept { Free(object); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, free_by<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, free_by<X509_free>>;
using file_ptr = std::unique_ptr<std::FILE, free_by<std::fclose>>;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string(what) + " failed");
}

key_ptr make_key() {
  key_ptr key(EVP_EC_gen("P-256"));
  require(key != nullptr, "EVP_EC_gen");
  return key;
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  require(added, "X509_add_ext");
}

/// Not signed yet, and without extensions.
certificate_ptr begin_certificate(EVP_PKEY* key, const std::string& name, const X509_NAME* issuer) {
  certificate_ptr made(X509_new());
  X509* const x509 = made.get();
  require(x509 != nullptr && X509_set_version(x509, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(x509), -60) && X509_gmtime_adj(X509_getm_notAfter(x509), 86'400) &&
              X509_set_pubkey(x509, key) == 1,
          "X509");
  X509_NAME* const subject = X509_get_subject_name(x509);
  require(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()),
                                     -1, -1, 0) == 1 &&
              X509_set_issuer_name(x509, issuer == nullptr ? subject : issuer) == 1,
          "X509_NAME");
  return made;
}

void sign(X509* certificate, EVP_PKEY* key) { require(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign"); }

/// Each a file as public CAs have made usual: an ECDSA P-256 key of its own, its certificate for one name, and the
/// same intermediate certificate in all.
void make(const std::string& directory, std::size_t count) {
  umask(077);  // the library warns of keys that others can read
  const key_ptr root_key = make_key();
  const key_ptr issuer_key = make_key();
  const certificate_ptr root = begin_certificate(root_key.get(), "Benchmark Root", nullptr);
  const certificate_ptr issuer =
      begin_certificate(issuer_key.get(), "Benchmark Intermediate", X509_get_subject_name(root.get()));
  add_extension(issuer.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(issuer.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  sign(issuer.get(), root_key.get());

  for (std::size_t number = 0; number < count; ++number) {
    const key_ptr key = make_key();
    const std::string name = name_of_identity(number);
    const certificate_ptr own = begin_certificate(key.get(), name, X509_get_subject_name(issuer.get()));
    add_extension(own.get(), NID_basic_constraints, "critical,CA:FALSE");
    add_extension(own.get(), NID_key_usage, "critical,digitalSignature");
    add_extension(own.get(), NID_ext_key_usage, "serverAuth");
    add_extension(own.get(), NID_subject_alt_name, "DNS:" + name);
    sign(own.get(), issuer_key.get());
    const file_ptr file(std::fopen(file_of_identity(directory, number).c_str(), "w"));
    require(file && PEM_write_X509(file.get(), own.get()) == 1 && PEM_write_X509(file.get(), issuer.get()) == 1 &&
                PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
            "writing the file");
  }
}

/// Of this process, in KiB.
long anonymous_memory() {
  std::ifstream all("/proc/self/smaps_rollup");
  for (std::string word; all >> word;) {
    long kib = 0;
    if (word == "Anonymous:" && all >> kib) return kib;
  }
  throw std::runtime_error("/proc/self/smaps_rollup has no line Anonymous");
}

/// What this process has used: the same whatever else the machine does, unlike the time of day.
double cpu_seconds() {
  timespec used{};
  require(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0, "clock_gettime");
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

void load(const std::string& directory, std::size_t count) {
  const long memory_before = anonymous_memory();
  const double begin = cpu_seconds();
  sallyport::ssl_configuration configuration;
  configuration.identities = load_identities(directory, count);
  const double loaded = cpu_seconds() - begin;
  const long memory_of_identities = anonymous_memory() - memory_before;

  const double begin_of_context = cpu_seconds();
  const auto context = sallyport::context::make(configuration).value();
  const double made = cpu_seconds() - begin_of_context;
  const long memory_of_context = anonymous_memory() - memory_before - memory_of_identities;
  std::cout << "{\"identities\":" << count << ",\"load_seconds\":" << loaded << ",\"context_seconds\":" << made
            << ",\"load_kib\":" << memory_of_identities << ",\"context_kib\":" << memory_of_context << "}\n";
}

}  // namespace

int main(int argc, char** argv) try {
  const options given(argc, argv, {{"--mode", ""}, {"--directory", ""}, {"--count", ""}});
  const std::string& mode = given.text("--mode");
  const auto count = static_cast<std::size_t>(given.number("--count"));
  if (mode != "make" && mode != "load") refuse("--mode: '" + mode + "' is neither make nor load");
  (mode == "make" ? make : load)(given.text("--directory"), count);
} catch (const std::exception& error) {
  std::cerr << "identities: " << error.what() << '\n';
  return 1;
}
