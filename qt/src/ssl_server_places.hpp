// ssl_server_places: which sockets of a server are in handshake, and who has to go when there is no room.
//
// Pure bookkeeping, without sockets or clocks.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_SERVER_PLACES_HPP
#define SALLYPORT_QT_SSL_SERVER_PLACES_HPP

#include <QtCore/QObject>
#include <QtCore/QPointer>
#include <QtNetwork/QHostAddress>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

namespace sallyport::qt {

class SslSocket;

/// One client, for the sake of its share: an IPv4 address, or a /64 network of IPv6, which is what one customer gets.
struct peer_network {
  std::uint64_t network = 0;
  bool is_v4 = false;

  friend bool operator==(const peer_network&, const peer_network&) = default;
};

/// None for a null address, which has no share.
std::optional<peer_network> peer_network_of(const QHostAddress& address);

/// A socket's place among the handshakes in progress.
struct handshake_place {
  using clock = std::chrono::steady_clock;

  SslSocket* socket = nullptr;
  std::optional<peer_network> peer{};
  std::chrono::milliseconds timeout{};
  clock::time_point deadline{};
  bool was_listening = true;  ///< false: given to the server by somebody else
  QPointer<QObject> guard{};  ///< the socket, to know whether it is still there

  // --- what ssl_server_places notes itself ---
  std::int64_t taken_at = 0;  ///< in pulses
  bool is_displaced = false;
};

/// Ages are counted in pulses of a timer rather than by a clock: a loop that was held up by a slot hasn't listened to
/// its clients meanwhile, and between two pulses it has.
class ssl_server_places {
 public:
  static constexpr std::chrono::milliseconds pulse_interval{50};

  /// `has_client_hello`: whether a socket's whole ClientHello is there.
  explicit ssl_server_places(std::function<bool(const SslSocket&)> has_client_hello)
      : has_client_hello_(std::move(has_client_hello)) {}

  /// Without those that have been displaced.
  std::size_t size() const { return places_.size() - displaced_; }
  bool empty() const { return places_.empty(); }
  const std::list<handshake_place>& all() const { return places_; }

  void set_share(std::size_t count, bool is_strict) {
    share_ = count;
    is_strict_ = is_strict;
  }

  void take(handshake_place place);
  /// Nothing if the socket has no place.
  std::optional<handshake_place> give_back(const SslSocket* socket);
  bool contains(const SslSocket* socket) const { return by_socket_.contains(socket); }

  void pulse() { ++pulses_; }

  /// A client that was still silent when its handshake ended, or one whose handshake is complete.
  void note_silent_end(const std::optional<peer_network>& peer);
  void note_success(const std::optional<peer_network>& peer);

  /// Whose place a new client of this address takes; null if it doesn't need one.
  ///
  /// A client beyond its share displaces its own oldest. With a strict share at once; otherwise only one that has had
  /// 250 ms to send its ClientHello, or half of its timeout to complete the handshake, so that honest clients behind
  /// one address may come in a burst. But an address that has shown that its clients stay silent isn't waited for.
  ///
  /// If there is no room otherwise (`is_full`) those go that are beyond their share, as said; then those that have been
  /// silent for a second; then those that have had half of their timeout. Of each the oldest.
  handshake_place* displaced_by(const std::optional<peer_network>& peer, bool is_full);

  /// Whether displaced_by() would find one for any client, with is_full.
  bool can_make_room() { return oldest_that_may_go(std::nullopt) != nullptr; }

  /// It doesn't count any more, but stays until it is given back.
  void displace(handshake_place& place);

 private:
  struct peer_hash {
    std::size_t operator()(const peer_network& peer) const noexcept {
      return std::hash<std::uint64_t>()(peer.network * 2 + (peer.is_v4 ? 1 : 0));
    }
  };
  struct peer_record {
    std::size_t count = 0;
    bool is_suspect = false;
  };

  /// Of one client for its own sake, or of all.
  handshake_place* oldest_that_may_go(const std::optional<peer_network>& for_own);
  bool is_beyond_share(const handshake_place& place) const;
  bool is_older_than(const handshake_place& place, std::chrono::milliseconds age) const;
  void leave_peer(const handshake_place& place);

  std::function<bool(const SslSocket&)> has_client_hello_;
  std::list<handshake_place> places_{};  // oldest first
  std::unordered_map<const SslSocket*, std::list<handshake_place>::iterator> by_socket_{};
  std::unordered_map<peer_network, peer_record, peer_hash> by_peer_{};  // of those that count
  std::size_t displaced_ = 0;
  std::size_t share_ = 1;
  bool is_strict_ = false;
  std::int64_t pulses_ = 0;
};

}  // namespace sallyport::qt

#endif
