// make_seeds: records what OpenSSL's client sends in handshakes of every kind: the seeds of session_server and
// client_hello; those of pem from the fixtures, and those of access_rule. make_seeds DIRECTORY writes them into its
// subdirectories.
//
// Time and random numbers are fixed, so with one version of OpenSSL the files are always the same, and a server that is
// given them goes all the way again. Each handshake has to end as it says here, or nothing is worth recording.
//
// SPDX-License-Identifier: Apache-2.0
#include "fixed_world.hpp"
#include "fixtures.hpp"
#include "require.hpp"
#include "server_run.hpp"

#include "tls/openssl.hpp"

#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::fuzz {
namespace {

using detail::bio_ptr;
using detail::pkey_ptr;
using detail::x509_ptr;
using ssl_session_ptr = std::unique_ptr<SSL_SESSION, detail::openssl_free<SSL_SESSION_free>>;

/// What the client does; by default it says "ping" and goodbye over TLS 1.3.
struct client_options {
  int version = TLS1_3_VERSION;
  const fixture* certificate = nullptr;
  std::string psk_identity{};
  std::string psk_key{fuzz::psk_key};
  bool psk_sha384 = false;
  std::string server_name{};
  std::string alpn{};  ///< on the wire
  std::string groups{};
  std::string ciphers{};  ///< of TLS 1.2
  bool resumes = false;   ///< what an earlier connection with the same options has brought
  bool updates_key = false;
  bool renegotiates = false;
  bool breaks_off = false;  ///< says nothing more after the handshake
};

pkey_ptr parse_key(std::string_view pem) {
  const bio_ptr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return pkey_ptr(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

class client {
 public:
  client(const client_options& options, SSL_SESSION* earlier)
      : options_(options), ctx_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX* const ctx = ctx_.get();
    SSL_CTX_set_security_level(ctx, 0);  // so that it can offer what servers must refuse
    SSL_CTX_set_min_proto_version(ctx, options.version);
    SSL_CTX_set_max_proto_version(ctx, options.version);
    if (!options.groups.empty()) check(SSL_CTX_set1_groups_list(ctx, options.groups.c_str()));
    if (!options.ciphers.empty()) check(SSL_CTX_set_cipher_list(ctx, options.ciphers.c_str()));
    if (options.certificate != nullptr) use_certificate(*options.certificate);
    if (!options.psk_identity.empty()) {
      SSL_CTX_set_psk_client_callback(ctx, on_psk);
      SSL_CTX_set_psk_use_session_callback(ctx, on_psk_session);
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
      static_cast<client*>(SSL_get_app_data(ssl))->ticket_.reset(session);
      return 1;
    });
    ssl_.reset(SSL_new(ctx));
    BIO* const in = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl_.get(), in, BIO_new(BIO_s_mem()));
    SSL_set_app_data(ssl_.get(), this);
    SSL_set_connect_state(ssl_.get());
    if (!options.server_name.empty()) check(SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str()));
    if (!options.alpn.empty()) {
      check(SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.alpn.data()),
                                static_cast<unsigned>(options.alpn.size())) == 0);
    }
    if (earlier != nullptr) check(SSL_set_session(ssl_.get(), earlier));
  }

  /// Goes on with what the server has said, and returns what it says itself.
  std::string step(std::string_view from_server) {
    if (!from_server.empty()) {
      check(BIO_write(SSL_get_rbio(ssl_.get()), from_server.data(), static_cast<int>(from_server.size())) > 0);
    }
    if (SSL_do_handshake(ssl_.get()) == 1) converse();
    ERR_clear_error();
    BIO* const out = SSL_get_wbio(ssl_.get());
    std::string bytes(BIO_ctrl_pending(out), '\0');
    if (!bytes.empty()) check(BIO_read(out, bytes.data(), static_cast<int>(bytes.size())) > 0);
    return bytes;
  }

  ssl_session_ptr take_ticket() { return std::move(ticket_); }

 private:
  static void check(long done) { require(done > 0, "the client's OpenSSL does what it is told"); }

  void converse() {
    std::string buffer(16384, '\0');
    std::size_t bytes = 0;
    while (SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &bytes) == 1) {
    }
    if (std::exchange(has_spoken_, true) || options_.breaks_off) return;
    check(SSL_write_ex(ssl_.get(), "ping", 4, &bytes));
    if (options_.updates_key) check(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED));
    if (options_.renegotiates) {
      check(SSL_renegotiate(ssl_.get()));
      SSL_do_handshake(ssl_.get());
      return;
    }
    check(SSL_write_ex(ssl_.get(), "pong", 4, &bytes));
    SSL_shutdown(ssl_.get());
  }

  void use_certificate(const fixture& own) {
    const bio_ptr bio(BIO_new_mem_buf(own.chain.data(), static_cast<int>(own.chain.size())));
    const x509_ptr first(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    check(SSL_CTX_use_certificate(ctx_.get(), first.get()));
    while (const x509_ptr issuer{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
      check(SSL_CTX_add1_chain_cert(ctx_.get(), issuer.get()));
    }
    ERR_clear_error();
    check(SSL_CTX_use_PrivateKey(ctx_.get(), parse_key(own.key).get()));
  }

  static unsigned on_psk(SSL* ssl, const char*, char* identity, unsigned max_identity, unsigned char* key,
                         unsigned max_key) {
    const client_options& options = static_cast<client*>(SSL_get_app_data(ssl))->options_;
    require(options.psk_identity.size() < max_identity && options.psk_key.size() <= max_key, "there is room");
    options.psk_identity.copy(identity, max_identity);
    identity[options.psk_identity.size()] = '\0';
    options.psk_key.copy(reinterpret_cast<char*>(key), max_key);
    return static_cast<unsigned>(options.psk_key.size());
  }

  static int on_psk_session(SSL* ssl, const EVP_MD*, const unsigned char** identity, std::size_t* size,
                            SSL_SESSION** session) {
    const client_options& options = static_cast<client*>(SSL_get_app_data(ssl))->options_;
    constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    constexpr unsigned char aes_256_gcm_sha384[] = {0x13, 0x02};
    const SSL_CIPHER* const cipher = SSL_CIPHER_find(ssl, options.psk_sha384 ? aes_256_gcm_sha384 : aes_128_gcm_sha256);
    *session = SSL_SESSION_new();
    check(SSL_SESSION_set1_master_key(*session, reinterpret_cast<const unsigned char*>(options.psk_key.data()),
                                      options.psk_key.size()) == 1 &&
          SSL_SESSION_set_cipher(*session, cipher) == 1 &&
          SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION) == 1);
    *identity = reinterpret_cast<const unsigned char*>(options.psk_identity.data());
    *size = options.psk_identity.size();
    return 1;
  }

  const client_options options_;
  detail::ssl_ctx_ptr ctx_;
  detail::ssl_ptr ssl_;
  ssl_session_ptr ticket_;
  bool has_spoken_ = false;
};

struct recording {
  std::string from_client;
  server_outcome outcome;
  ssl_session_ptr ticket;
};

recording record(const server_settings& settings, const client_options& options, SSL_SESSION* earlier) {
  constexpr int most_turns = 12;
  const fixed_randomness randomness(2);  // the client's; the server has its own
  client peer(options, earlier);
  recording made;
  std::size_t heard = 0;
  for (int turn = 0; turn < most_turns; ++turn) {
    const std::string more =
        peer.step(std::string_view(made.outcome.sent).substr(std::min(heard, made.outcome.sent.size())));
    if (more.empty()) break;
    heard = made.outcome.sent.size();
    made.from_client += more;
    // From the start: that the server says the same again is what makes the recording worth anything.
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(made.from_client.data());
    server_outcome again = run_server(settings, {bytes, made.from_client.size()});
    // Once it is connected, it depends on how much came at once whether the server still answered before it failed.
    require(made.outcome.complete || again.sent.starts_with(made.outcome.sent), "the server says the same again");
    made.outcome = std::move(again);
  }
  made.ticket = peer.take_ticket();
  return made;
}

/// How a recorded handshake has to end.
struct expectation {
  bool complete = true;
  std::size_t certificates = 0;
  bool by_key = false;
  bool resumed = false;
  bool denied = false;
};

void write_file(const std::filesystem::path& file, std::string_view bytes) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error(file.string() + " can't be written");
}

/// The body and the extensions of the ClientHello in the first record.
std::pair<std::string_view, std::string_view> parts_of_hello(std::string_view records) {
  const auto number = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(records[at])); };
  constexpr std::size_t headers = 5 + 4;
  const std::size_t end = 5 + (number(3) << 8 | number(4));
  std::size_t at = headers + 2 + 32;
  at += 1 + number(at);                          // legacy_session_id
  at += 2 + (number(at) << 8 | number(at + 1));  // cipher_suites
  at += 1 + number(at);                          // legacy_compression_methods
  return {records.substr(headers, end - headers), records.substr(at + 2, end - at - 2)};
}

class seed_writer {
 public:
  explicit seed_writer(std::filesystem::path directory) : directory_(std::move(directory)) {}

  void handshake(const std::string& name, const server_settings& settings, const client_options& options,
                 const expectation& expected) {
    ssl_session_ptr earlier;
    if (options.resumes) {
      client_options first = options;
      first.resumes = false;
      earlier = record(settings, first, nullptr).ticket;
      require(earlier != nullptr, (name + ": there is something to resume").c_str());
    }
    const recording made = record(settings, options, earlier.get());
    const server_outcome& outcome = made.outcome;
    require(outcome.complete == expected.complete && outcome.certificates == expected.certificates &&
                outcome.by_key == expected.by_key && outcome.resumed == expected.resumed &&
                (outcome.error == handshake_error::denied_by_policy) == expected.denied,
            (name + " ends as it should").c_str());
    const bool speaks = expected.complete && !options.breaks_off && !settings.does(server_settings::reads_nothing);
    require(!speaks || outcome.received.starts_with("ping"), (name + ": what the client says arrives").c_str());

    write_file(directory_ / "session_server" / name, settings.to_bytes() + made.from_client);
    const auto [body, extensions] = parts_of_hello(made.from_client);
    if (!hellos_.emplace(body).second) return;  // only the server's part differs
    const std::size_t first_record = body.size() + 9;
    write_file(directory_ / "client_hello" / (name + "_record"),
               std::string(1, '\0') + made.from_client.substr(0, first_record));
    write_file(directory_ / "client_hello" / (name + "_body"), "\x01" + std::string(body));
    write_file(directory_ / "client_hello" / (name + "_extensions"), "\x02" + std::string(extensions));
  }

  void access_rule(const std::string& name, std::string_view rule, std::string_view of_client) const {
    write_file(directory_ / "access_rule" / name, std::string(rule).append(1, '\0').append(of_client));
  }

  void pem(const std::string& name, unsigned choice, std::string_view text) const {
    write_file(directory_ / "pem" / name, static_cast<char>(choice) + std::string(text));
  }

 private:
  std::filesystem::path directory_;
  std::set<std::string, std::less<>> hellos_;
};

constexpr std::string_view h2_and_http = "\x02h2\x08http/1.1";
constexpr std::uint8_t verify = server_settings::verify_verify;

void write_handshakes(seed_writer& write) {
  const auto of_version = [](int version, client_options options) {
    options.version = version;
    return options;
  };
  using settings = server_settings;
  constexpr auto answers = [](answer first, answer second) {
    const auto both = static_cast<std::uint8_t>(static_cast<unsigned>(first) | static_cast<unsigned>(second) << 4);
    return std::array<std::uint8_t, 3>{both, both, both};
  };
  const auto all_yes = answers(answer::yes, answer::yes);

  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string in = version == TLS1_2_VERSION ? "tls12_" : "tls13_";
    const auto with = [&](client_options options) { return of_version(version, std::move(options)); };

    // No client certificates.
    write.handshake(in + "plain", {}, with({}), {});
    write.handshake(in + "alpn_sni", {.configuration = settings::alpn, .behaviour = settings::greets},
                    with({.server_name = "www.sallyport.example", .alpn = std::string(h2_and_http)}), {});
    write.handshake(in + "no_common_alpn", {.configuration = settings::alpn}, with({.alpn = "\x04smtp"}),
                    {.complete = false});
    write.handshake(in + "resumed", {.behaviour = settings::echoes | settings::shuts_down_first},
                    with({.resumes = true}), {.resumed = true});
    write.handshake(in + "no_common_group", {}, with({.groups = "P-521"}), {.complete = false});
    write.handshake(in + "pieces", {.piece = 1, .room = 1, .read_size = 1, .behaviour = settings::writes_much},
                    with({}), {});

    // Client certificates.
    write.handshake(in + "good", {.configuration = verify}, with({.certificate = &alice}), {.certificates = 1});
    write.handshake(in + "good_chain", {.configuration = settings::verify_query}, with({.certificate = &bob}),
                    {.certificates = 2});
    for (const auto& [name, own] :
         {std::pair{"expired", &expired}, {"stranger", &stranger}, {"self_signed", &self_signed}}) {
      // The chain is known in a failed handshake, too, but the outcome has only what a completed one has.
      write.handshake(in + name + "_ignored", {.configuration = verify, .answers = all_yes}, with({.certificate = own}),
                      {.certificates = 1});
      write.handshake(in + name + "_refused",
                      {.configuration = verify, .answers = answers(answer::nothing, answer::refuse)},
                      with({.certificate = own}), {.complete = false});
      write.handshake(in + name + "_continued", {.configuration = verify | settings::interrupt, .answers = all_yes},
                      with({.certificate = own}), {.certificates = 1});
      write.handshake(in + name + "_abandoned",
                      {.configuration = verify | settings::interrupt, .answers = answers(answer::yes, answer::abandon)},
                      with({.certificate = own}), {.complete = false});
    }
    write.handshake(in + "expired_expected",
                    {.configuration = verify, .answers = answers(answer::expect_all, answer::expect_all)},
                    with({.certificate = &expired}), {.certificates = 1});
    write.handshake(in + "expired_moved",
                    {.configuration = verify | settings::interrupt, .answers = answers(answer::move, answer::move)},
                    with({.certificate = &expired}), {.certificates = 1});
    write.handshake(in + "missing_ignored", {.configuration = verify, .answers = all_yes}, with({}), {});
    write.handshake(in + "missing_refused",
                    {.configuration = verify, .answers = answers(answer::refuse_with_alert, answer::nothing)}, with({}),
                    {.complete = false});
    write.handshake(in + "missing_required", {.configuration = settings::verify_certificate_required}, with({}),
                    {.complete = false});

    // Rules.
    const auto by_rule = static_cast<std::uint8_t>(settings::echoes | settings::allows_alice);
    write.handshake(in + "rule", {.configuration = verify, .behaviour = by_rule}, with({.certificate = &alice}),
                    {.certificates = 1});
    write.handshake(in + "denied", {.configuration = verify, .behaviour = by_rule}, with({.certificate = &bob}),
                    {.complete = false, .denied = true});
    write.handshake(in + "stranger_denied", {.configuration = verify, .behaviour = by_rule, .answers = all_yes},
                    with({.certificate = &stranger}), {.complete = false, .denied = true});
    write.handshake(in + "missing_denied", {.configuration = verify, .behaviour = by_rule, .answers = all_yes},
                    with({}), {.complete = false, .denied = true});

    // Pre-shared keys.
    const std::uint8_t psk = settings::pre_shared_keys;
    const auto no_identity = static_cast<std::uint8_t>(psk | settings::no_identity);
    const std::string ciphers = "PSK:ECDHE+PSK";
    const client_options known{.psk_identity = std::string(psk_identity), .ciphers = ciphers};
    write.handshake(in + "psk", {.configuration = psk}, with(known), {.by_key = true});
    write.handshake(in + "psk_alone", {.configuration = no_identity, .behaviour = settings::greets}, with(known),
                    {.by_key = true});
    write.handshake(
        in + "psk_verify",
        {.configuration = static_cast<std::uint8_t>(psk | verify | settings::interrupt), .answers = all_yes},
        with(known), {.by_key = true});
    write.handshake(
        in + "psk_rule",
        {.configuration = static_cast<std::uint8_t>(psk | verify), .behaviour = by_rule, .answers = all_yes},
        with(known), {.by_key = true});
    write.handshake(in + "psk_unknown", {.configuration = no_identity},
                    with({.psk_identity = "nobody", .ciphers = ciphers}), {.complete = false});
    write.handshake(in + "psk_wrong_key", {.configuration = psk},
                    with({.psk_identity = std::string(psk_identity), .psk_key = "wrong", .ciphers = ciphers}),
                    {.complete = false});
    write.handshake(in + "psk_unanswered", {.configuration = psk, .answers = answers(answer::nothing, answer::nothing)},
                    with(known), {.complete = false});
    write.handshake(in + "psk_refused", {.configuration = psk, .answers = answers(answer::refuse, answer::refuse)},
                    with(known), {.complete = false});
    write.handshake(in + "psk_abandoned", {.configuration = psk, .answers = answers(answer::abandon, answer::abandon)},
                    with(known), {.complete = false});
  }

  write.handshake("tls13_retry", {.configuration = verify}, {.certificate = &alice, .groups = "P-521:P-384"},
                  {.certificates = 1});
  write.handshake("tls13_psk_retry", {.configuration = settings::pre_shared_keys},
                  {.psk_identity = std::string(psk_identity), .groups = "P-521:P-384"}, {.by_key = true});
  write.handshake(
      "tls13_psk_sha384",
      {.configuration = settings::pre_shared_keys, .answers = answers(answer::other_hash, answer::other_hash)},
      {.psk_identity = std::string(psk_identity), .psk_sha384 = true}, {.by_key = true});
  write.handshake("tls13_key_updates", {.room = 20}, {.updates_key = true}, {});
  write.handshake("tls13_breaks_off", {.behaviour = settings::writes_much}, {.breaks_off = true}, {});
  write.handshake("tls12_renegotiates", {}, {.version = TLS1_2_VERSION, .renegotiates = true}, {});
  write.handshake("tls12_no_common_cipher", {}, {.version = TLS1_2_VERSION, .ciphers = "AES128-SHA"},
                  {.complete = false});
  write.handshake("tls12_modern", {.configuration = settings::modern}, {.version = TLS1_2_VERSION},
                  {.complete = false});
  write.handshake("tls11", {}, {.version = TLS1_1_VERSION}, {.complete = false});
}

std::string der_of(std::string_view pem) {
  const bio_ptr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const x509_ptr parsed(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  const bio_ptr out(BIO_new(BIO_s_mem()));
  require(i2d_X509_bio(out.get(), parsed.get()) == 1, "a fixture has a DER form");
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

/// PKCS#8 or, with a passphrase, either of the encrypted forms. Few rounds: a fuzzer has no time.
std::string encrypted_key(bool traditional) {
  const pkey_ptr key = parse_key(server.key);
  const bio_ptr out(BIO_new(BIO_s_mem()));
  const auto* words = reinterpret_cast<const unsigned char*>(passphrase.data());
  const int size = static_cast<int>(passphrase.size());
  const int done = traditional ? PEM_write_bio_PrivateKey_traditional(out.get(), key.get(), EVP_aes_128_cbc(), words,
                                                                      size, nullptr, nullptr)
                               : PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(),
                                                               passphrase.data(), size, nullptr, nullptr);
  require(done == 1, "a fixture's key can be encrypted");
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(length)};
}

// The first byte of pem's inputs: who reads, and what is answered for a passphrase.
void write_pem(const seed_writer& write) {
  constexpr unsigned identity = 0, trust_store = 1, certificate = 2, der = 3;
  constexpr unsigned right = 1 << 2, wrong = 2 << 2, exception = 3 << 2;
  const auto with_key = [](const fixture& own, std::string_view key) {
    return std::string(own.chain).append(1, '\0').append(key);
  };
  write.pem("identity", identity, with_key(server, server.key));
  write.pem("identity_chain", identity, with_key(bob, bob.key));
  write.pem("identity_one_text", identity, std::string(server.key).append(server.chain));
  write.pem("identity_mismatch", identity, with_key(server, alice.key));
  write.pem("identity_expired", identity, with_key(expired, expired.key));
  write.pem("identity_pkcs8_right", identity | right, with_key(server, encrypted_key(false)));
  write.pem("identity_pkcs8_wrong", identity | wrong, with_key(server, encrypted_key(false)));
  write.pem("identity_pkcs8_exception", identity | exception, with_key(server, encrypted_key(false)));
  write.pem("identity_pkcs8_no_passphrase", identity, with_key(server, encrypted_key(false)));
  write.pem("identity_traditional_right", identity | right, with_key(server, encrypted_key(true)));
  write.pem("identity_traditional_wrong", identity | wrong, with_key(server, encrypted_key(true)));
  write.pem("trust_store", trust_store, std::string(ca.chain).append(bob.chain));
  write.pem("trust_store_key", trust_store, ca.key);
  write.pem("trust_store_not_pem", trust_store, "no PEM at all");
  write.pem("certificate", certificate, alice.chain);
  for (const auto& [name, own] : {std::pair{"server", &server}, {"alice", &alice}, {"bob", &bob}, {"ca", &ca}}) {
    write.pem(std::string("der_") + name, der, der_of(own->chain));
  }
  write.pem("trust_store_der", trust_store, der_of(ca.chain));
}

// A rule, and a name that a certificate may have.
void write_access_rules(const seed_writer& write) {
  write.access_rule("dns", "dns=Alice.example.org", "alice.EXAMPLE.org.");
  write.access_rule("dns_wildcard", "dns=*.example.org", "alice.example.org");
  write.access_rule("dns_wildcard_of_client", "dns=*.example.org", "*.example.org");
  write.access_rule("dns_address", "dns=192.0.2.1", "192.0.2.1");
  write.access_rule("uri", "uri=spiffe://Example.org/shop/web", "SPIFFE://example.org/shop/web");
  write.access_rule("uri_segment", "uri=spiffe://example.org/*/web", "spiffe://example.org/shop/web");
  write.access_rule("uri_open_end", "uri=spiffe://example.org/shop/**", "spiffe://example.org/shop/eu/web");
  write.access_rule("uri_no_end", "uri=spiffe://example.org/shop/**", "spiffe://example.org/shop");
  write.access_rule("uri_dots", "uri=spiffe://example.org/shop/**", "spiffe://example.org/shop/%2e./web");
  write.access_rule("uri_rest", "uri=https://[2001:db8::1]:8443/a%20b/?q=%41#f", "https://[2001:db8::1]:8443/a%20b/");
  write.access_rule("uri_without_authority", "uri=urn:example:alice", "URN:example:alice");
  write.access_rule("email", "email=Alice@example.org", "Alice@EXAMPLE.org");
  write.access_rule("email_quoted", "email=\"alice\"@example.org", "alice@example.org");
  write.access_rule("cn", "cn=alice", "alice");
  write.access_rule("cn_utf8", "cn=Zo\u00eb = y ", "zo\u00eb = y ");
  write.access_rule("ou", "ou=Ops", "ops");
  const std::string digits = "0123456789abcdefABCDEF0123456789";
  write.access_rule("spki", "spki=sha256:" + digits + digits, "");
  write.access_rule("spki_base64", "spki=sha256:" + std::string(42, 'A') + "E=", "");
  write.access_rule("no_kind", "alice.example.org", "alice.example.org");
}

}  // namespace
}  // namespace sallyport::fuzz

int main(int count, char** arguments) try {
  using namespace sallyport::fuzz;
  if (count != 2) {
    std::fprintf(stderr, "usage: make_seeds DIRECTORY\n");
    return 2;
  }
  const fixed_randomness randomness(3);
  seed_writer write(arguments[1]);
  write_handshakes(write);
  write_pem(write);
  write_access_rules(write);
  return 0;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "make_seeds: %s\n", failure.what());
  return 1;
}
