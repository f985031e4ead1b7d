// places: who may be in handshake at the same time, and who has to go when there is no room.
//
// Pure bookkeeping, without sockets or clocks. Every way a handshake can end gives its place back: a place that is
// destroyed does so by itself.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_PLACES_HPP
#define SALLYPORT_NET_PLACES_HPP

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>

namespace sallyport::detail {

/// One client, for the sake of its share: an IPv4 address, or a /64 network of IPv6, which is what one customer gets.
struct client_address {
  std::uint64_t network = 0;
  bool is_v4 = false;

  friend bool operator==(const client_address&, const client_address&) = default;
};

struct client_address_hash {
  std::size_t operator()(const client_address& address) const noexcept {
    return std::hash<std::uint64_t>()(address.network * 2 + (address.is_v4 ? 1 : 0));
  }
};

class places;

/// A connection's place among the handshakes in progress.
class place {
 public:
  place() = default;
  ~place();
  place(const place&) = delete;
  place& operator=(const place&) = delete;

  bool is_taken() const noexcept { return owner_ != nullptr; }

 private:
  friend class places;
  using hook = boost::intrusive::list_member_hook<>;

  places* owner_ = nullptr;
  std::optional<client_address> address_;
  bool has_client_hello_ = false;
  hook among_all_;
  hook among_address_;
};

class places {
 public:
  places() = default;
  ~places();
  places(const places&) = delete;
  places& operator=(const places&) = delete;

  std::size_t size() const noexcept { return size_; }
  std::size_t limit() const noexcept { return limit_; }
  std::size_t limit_per_address() const noexcept { return limit_per_address_; }
  void set_limit(std::size_t count) noexcept { limit_ = count == 0 ? 1 : count; }
  void set_limit_per_address(std::size_t count) noexcept { limit_per_address_ = count == 0 ? 1 : count; }

  /// Who has to give its place back before a client of this address can be let in; null if there is room. A client
  /// beyond its share displaces its own oldest; otherwise the oldest of all goes. In both cases those that haven't
  /// sent a whole ClientHello go before those that have. No address: no share.
  place* displaced_by(const std::optional<client_address>& address) noexcept;

  /// The first to go of all; null if there is none.
  place* oldest() noexcept { return all_.oldest(); }

  /// The oldest that hasn't sent a whole ClientHello, or null: who has to go when something else runs out.
  place* oldest_without_client_hello() noexcept;

  void take(place& taken, const std::optional<client_address>& address);
  void note_client_hello(place& taken) noexcept;
  void give_back(place& taken) noexcept;

 private:
  template <place::hook place::*Hook>
  using list_of = boost::intrusive::list<place, boost::intrusive::member_hook<place, place::hook, Hook>>;

  /// Oldest first. A place moves from the first list to the second when its ClientHello is there.
  template <place::hook place::*Hook>
  struct queue {
    list_of<Hook> without_client_hello;
    list_of<Hook> with_client_hello;

    place* oldest() noexcept {
      if (!without_client_hello.empty()) return &without_client_hello.front();
      return with_client_hello.empty() ? nullptr : &with_client_hello.front();
    }
    list_of<Hook>& list_for(const place& taken) noexcept {
      return taken.has_client_hello_ ? with_client_hello : without_client_hello;
    }
    std::size_t size() const noexcept { return without_client_hello.size() + with_client_hello.size(); }
  };

  std::size_t limit_ = 1024;
  std::size_t limit_per_address_ = 256;
  std::size_t size_ = 0;
  queue<&place::among_all_> all_;
  std::unordered_map<client_address, queue<&place::among_address_>, client_address_hash> by_address_;
};

}  // namespace sallyport::detail

#endif
