// ssl_server_places: which sockets of a server are in handshake, and who has to go when there is no room.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_server_places.hpp"

#include <algorithm>
#include <cassert>

namespace sallyport::qt {

namespace {

using std::chrono::milliseconds;

// How long clients may be silent before somebody else may have their place. A short timeout shortens these.
constexpr milliseconds patience_beyond_share{250};
constexpr milliseconds patience_with_silence{1000};

}  // namespace

std::optional<peer_network> peer_network_of(const QHostAddress& address) {
  if (address.isNull()) return std::nullopt;
  bool is_v4 = false;
  const quint32 v4 = address.toIPv4Address(&is_v4);  // also of ::ffff:1.2.3.4
  if (is_v4) return peer_network{.network = v4, .is_v4 = true};
  const Q_IPV6ADDR v6 = address.toIPv6Address();
  std::uint64_t network = 0;
  for (int i = 0; i < 8; ++i) network = network << 8 | v6[i];
  return peer_network{.network = network};
}

void ssl_server_places::take(handshake_place place) {
  assert(place.socket != nullptr && !contains(place.socket));
  place.taken_at = pulses_;
  places_.push_back(std::move(place));
  const auto taken = std::prev(places_.end());
  by_socket_.emplace(taken->socket, taken);
  if (taken->peer) ++by_peer_[*taken->peer].count;
}

std::optional<handshake_place> ssl_server_places::give_back(const SslSocket* socket) {
  const auto found = by_socket_.find(socket);
  if (found == by_socket_.end()) return std::nullopt;
  const auto place = found->second;
  handshake_place given_back = std::move(*place);
  if (given_back.is_displaced) {
    --displaced_;
  } else {
    leave_peer(given_back);
  }
  by_socket_.erase(found);
  places_.erase(place);
  return given_back;
}

void ssl_server_places::displace(handshake_place& place) {
  assert(!place.is_displaced);
  if (!has_client_hello_(*place.socket)) note_silent_end(place.peer);
  leave_peer(place);
  place.is_displaced = true;
  ++displaced_;
}

void ssl_server_places::leave_peer(const handshake_place& place) {
  if (!place.peer) return;
  const auto record = by_peer_.find(*place.peer);
  if (--record->second.count == 0) by_peer_.erase(record);
}

void ssl_server_places::note_silent_end(const std::optional<peer_network>& peer) {
  if (!peer) return;
  if (const auto record = by_peer_.find(*peer); record != by_peer_.end()) record->second.is_suspect = true;
}

void ssl_server_places::note_success(const std::optional<peer_network>& peer) {
  if (!peer) return;
  if (const auto record = by_peer_.find(*peer); record != by_peer_.end()) record->second.is_suspect = false;
}

bool ssl_server_places::is_older_than(const handshake_place& place, milliseconds age) const {
  // The pulse under way when the place was taken doesn't count, it may have been nearly over.
  return (pulses_ - place.taken_at - 1) * pulse_interval >= age;
}

bool ssl_server_places::is_beyond_share(const handshake_place& place) const {
  return place.peer && by_peer_.at(*place.peer).count >= share_;
}

handshake_place* ssl_server_places::oldest_that_may_go(const std::optional<peer_network>& for_own) {
  handshake_place* silent = nullptr;
  handshake_place* started = nullptr;
  for (auto& place : places_) {
    if (place.is_displaced || (for_own && place.peer != for_own)) continue;
    const bool is_at_once = for_own && is_strict_;
    if (has_client_hello_(*place.socket)) {
      if (started == nullptr && (is_at_once || is_older_than(place, place.timeout / 2))) started = &place;
    } else if (is_beyond_share(place)) {
      const bool is_suspect = by_peer_.at(*place.peer).is_suspect;
      if (is_at_once || is_suspect || is_older_than(place, std::min(patience_beyond_share, place.timeout / 5))) {
        return &place;
      }
    } else if (silent == nullptr && is_older_than(place, std::min(patience_with_silence, place.timeout / 5))) {
      silent = &place;
    }
  }
  return silent != nullptr ? silent : started;
}

handshake_place* ssl_server_places::displaced_by(const std::optional<peer_network>& peer, bool is_full) {
  if (peer) {
    const auto record = by_peer_.find(*peer);
    if (record != by_peer_.end() && record->second.count >= share_) {
      if (auto* const place = oldest_that_may_go(peer)) return place;
    }
  }
  return is_full ? oldest_that_may_go(std::nullopt) : nullptr;
}

}  // namespace sallyport::qt
