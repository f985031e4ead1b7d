// places: who may be in handshake at the same time, and who has to go when there is no room.
//
// SPDX-License-Identifier: Apache-2.0
#include "places.hpp"

#include <cassert>

namespace sallyport::detail {

place::~place() {
  if (owner_ != nullptr) owner_->give_back(*this);
}

places::~places() {
  while (place* taken = all_.oldest()) give_back(*taken);
}

place* places::displaced_by(const std::optional<client_address>& address) noexcept {
  if (address) {
    const auto found = by_address_.find(*address);
    if (found != by_address_.end() && found->second.size() >= limit_per_address_) return found->second.oldest();
  }
  return size_ >= limit_ ? all_.oldest() : nullptr;
}

place* places::oldest_without_client_hello() noexcept {
  return all_.without_client_hello.empty() ? nullptr : &all_.without_client_hello.front();
}

void places::take(place& taken, const std::optional<client_address>& address) {
  assert(!taken.is_taken());
  if (address) by_address_[*address].without_client_hello.push_back(taken);  // may throw, so it comes first
  all_.without_client_hello.push_back(taken);
  taken.owner_ = this;
  taken.address_ = address;
  taken.has_client_hello_ = false;
  ++size_;
}

void places::note_client_hello(place& taken) noexcept {
  assert(taken.owner_ == this);
  if (taken.has_client_hello_) return;
  taken.has_client_hello_ = true;
  all_.with_client_hello.splice(all_.with_client_hello.end(), all_.without_client_hello,
                                list_of<&place::among_all_>::s_iterator_to(taken));
  if (!taken.address_) return;
  auto& own = by_address_.find(*taken.address_)->second;
  own.with_client_hello.splice(own.with_client_hello.end(), own.without_client_hello,
                               list_of<&place::among_address_>::s_iterator_to(taken));
}

void places::give_back(place& taken) noexcept {
  assert(taken.owner_ == this);
  auto& list = all_.list_for(taken);
  list.erase(list.iterator_to(taken));
  if (taken.address_) {
    const auto found = by_address_.find(*taken.address_);
    auto& own = found->second.list_for(taken);
    own.erase(own.iterator_to(taken));
    if (found->second.size() == 0) by_address_.erase(found);
  }
  taken.owner_ = nullptr;
  --size_;
}

}  // namespace sallyport::detail
