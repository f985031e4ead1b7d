// handshake_report: what is known about a handshake that has failed.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_HANDSHAKE_REPORT_HPP
#define SALLYPORT_HANDSHAKE_REPORT_HPP

#include <sallyport/alert.hpp>
#include <sallyport/error.hpp>
#include <sallyport/session.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

/// Which side gave up.
enum class detected_by { server, client };

/// The enumerator's own name.
std::string_view to_string(detected_by who) noexcept;

/// Everything about one failed handshake. For logs and for the people who read them, never for the client. Texts that
/// come from the client (server_name, client_protocols) may hold anything; `sentence` and the offers are safe to log.
struct handshake_report {
  handshake_error reason{};
  /// What happened, with names and numbers, and what to do about it, in one sentence.
  std::string sentence{};
  sallyport::detected_by detected_by{};
  /// The last alert that was really sent or received.
  struct alert_on_the_wire {
    alert_level level;
    alert_type type;
    bool sent;  ///< by us, or else received
  };
  std::optional<alert_on_the_wire> alert{};
  handshake_phase phase{};
  std::chrono::steady_clock::duration elapsed{};  ///< since accept
  std::string peer{};                             ///< ssl_socket::peer_name()
  std::string server_name{};                      ///< SNI
  std::vector<std::string> client_protocols{};    ///< ALPN, as offered
  /// With a reason no_common_...: what each side offers of what they have nothing in common of, in the names of the
  /// standards: "TLSv1.1, TLSv1" and "TLSv1.3, TLSv1.2". Otherwise empty.
  std::string client_offers{};
  std::string server_offers{};
};

/// What a reason means: the text behind `sallyport explain` and docs/failures.md.
struct explanation {
  handshake_error reason;
  std::string_view action;  ///< the shortest advice, a clause: "let the client use TLS 1.2 or later"
  std::string_view cause;   ///< a few sentences
  std::string_view cure;    ///< a few sentences
  bool expected;            ///< scanners, health checks and closed laptops do it every day: noise unless there is much
};

/// Every handshake_error has one.
const explanation& explain(handshake_error reason) noexcept;

}  // namespace sallyport

#endif
