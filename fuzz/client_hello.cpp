// client_hello: what is read of a ClientHello before anybody is trusted: its first record, its lists and names.
//
// The first byte chooses what the rest is: records as they come, a ClientHello's body, or its extensions alone. The
// latter two are put into the right number of bytes with the right lengths before them, which a fuzzer seldom finds.
//
// SPDX-License-Identifier: Apache-2.0
#include "byte_reader.hpp"
#include "fixed_world.hpp"
#include "fixtures.hpp"
#include "require.hpp"
#include "target.hpp"

#include "tls/client_offer.hpp"
#include "tls/first_record.hpp"

#include <sallyport/session.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace sallyport::fuzz {
namespace {

using detail::first_record;

constexpr std::size_t longest_offer = 512;
constexpr std::size_t longest_sentence = 1024;

// Whoever has decided doesn't change their mind, and nine bytes are enough.
first_record check_first_record(std::span<const std::byte> bytes) {
  first_record verdict = first_record::undecided;
  for (std::size_t size = 0; size <= std::min<std::size_t>(bytes.size(), 16); ++size) {
    const first_record now = detail::inspect_first_record(bytes.first(size));
    require(verdict == first_record::undecided || now == verdict, "a verdict on the first record is final");
    verdict = now;
  }
  require(bytes.size() < 9 || verdict != first_record::undecided, "nine bytes decide on the first record");
  require(detail::inspect_first_record(bytes) == verdict, "more bytes don't change the verdict on the first record");
  return verdict;
}

/// Only notes what the ClientHello offers, and then ends the handshake.
class offer_reader {
 public:
  offer_reader() : ctx_(SSL_CTX_new(TLS_server_method())) {
    require(ctx_ != nullptr, "there is an SSL_CTX");
    SSL_CTX_set_client_hello_cb(
        ctx_.get(),
        [](SSL* ssl, int*, void*) {
          static_cast<detail::client_offer*>(SSL_get_app_data(ssl))->remember(ssl);
          return SSL_CLIENT_HELLO_ERROR;
        },
        nullptr);
  }

  void read(std::span<const std::byte> records, detail::client_offer& offer) const {
    const detail::ssl_ptr ssl(SSL_new(ctx_.get()));
    BIO* const in = BIO_new_mem_buf(records.data(), static_cast<int>(records.size()));
    SSL_set_bio(ssl.get(), in, BIO_new(BIO_s_mem()));
    SSL_set_app_data(ssl.get(), &offer);
    SSL_set_accept_state(ssl.get());
    SSL_do_handshake(ssl.get());
    ERR_clear_error();
  }

 private:
  detail::ssl_ctx_ptr ctx_;
};

void check_offer(std::span<const std::byte> records) {
  static const offer_reader reader;
  detail::client_offer offer;
  reader.read(records, offer);
  for (const std::string& name : offer.application_protocols()) {
    require(!name.empty() && name.size() <= 255, "ALPN's names have 1 to 255 bytes");
  }
  for (const handshake_error reason : all_handshake_errors()) require_loggable(offer.describe(reason), longest_offer);
  require_empty_error_queue();
  offer.forget();
  require(offer.application_protocols().empty(), "what was forgotten is gone");
}

const context& server_context() {
  static const context made = [] {
    const fixed_randomness randomness(0);
    ssl_configuration configuration;
    configuration.identities = {identity::from_pem(server.chain, server.key).value()};
    configuration.alpn_protocols = {"h2", "http/1.1"};
    return context::make(configuration).value();
  }();
  return made;
}

// The client says nothing after its ClientHello.
void check_session(std::span<const std::byte> records, first_record verdict) {
  session subject(server_context());
  std::vector<std::byte> room(16384);
  io_window window{.input = records, .output = room};
  step result = subject.handshake(window);
  for (unsigned again = 0; result.what == progress::want_output && again < 100; ++again) {
    window.output = room;
    window.produced = 0;
    result = subject.handshake(window);
  }
  require_empty_error_queue();
  require(result.what == progress::want_input || result.what == progress::failed,
          "a handshake isn't complete after the ClientHello");
  require(verdict == first_record::client_hello || subject.native_handle() == nullptr,
          "what isn't a ClientHello never reaches OpenSSL");
  if (verdict == first_record::undecided) require(result.what == progress::want_input, "an undecided session waits");
  if (verdict == first_record::plain_http) {
    require(subject.error() == handshake_error::plain_http, "HTTP is told from other bytes");
  }

  require(subject.server_name().size() <= 255, "a server name has at most 255 bytes");
  for (const std::string& name : subject.client_protocols()) {
    require(!name.empty() && name.size() <= 255, "ALPN's names have 1 to 255 bytes");
  }
  require_loggable(subject.client_offers(), longest_offer);
  require_loggable(subject.server_offers(), longest_offer);
  if (result.what == progress::failed) require_sentence(subject.error_detail(), longest_sentence);
  require_empty_error_queue();
}

std::string number(std::size_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xff);
  return text;
}

std::string with_length(std::string_view text, int bytes) { return number(text.size(), bytes).append(text); }

std::string in_records(std::string_view hello_body) {
  const std::string message = "\x01" + with_length(hello_body, 3);
  std::string records;
  for (std::size_t at = 0; at < message.size(); at += 16384) {
    records += std::string("\x16\x03\x01", 3) + with_length(std::string_view(message).substr(at, 16384), 2);
  }
  return records;
}

std::string body_with(std::string_view extensions) {
  using namespace std::string_view_literals;
  const std::string random(32, 'r');
  const std::string session_id(32, 's');
  return "\x03\x03" + random + with_length(session_id, 1) + with_length("\x13\x01\x13\x02\xc0\x2b\x00\xff"sv, 2) +
         with_length("\0"sv, 1) + with_length(extensions.substr(0, 65535), 2);
}

}  // namespace
}  // namespace sallyport::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport::fuzz;
  const fixed_randomness randomness(1);
  byte_reader input(data, size);
  std::string wrapped;
  switch (input.take() % 3) {
    case 0:
      wrapped = input.text();
      break;
    case 1:
      wrapped = in_records(input.text());
      break;
    case 2:
      wrapped = in_records(body_with(input.text()));
      break;
  }
  // A vector's allocation ends where the input does, so that AddressSanitizer sees what reads past it.
  const auto view = std::as_bytes(std::span(wrapped));
  const std::vector<std::byte> records(view.begin(), view.end());
  const auto verdict = check_first_record(records);
  check_offer(records);
  check_session(records, verdict);
  return 0;
}
