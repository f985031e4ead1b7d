// deadlines: many points in time, one timer.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_NET_DEADLINES_HPP
#define SALLYPORT_NET_DEADLINES_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/set.hpp>

#include <chrono>
#include <memory>

namespace sallyport::detail {

/// Something that has to happen at a time unless it is taken back. Being destroyed takes it back.
class deadline : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using clock = std::chrono::steady_clock;

  bool is_set() const noexcept { return is_linked(); }
  void take_back() noexcept { unlink(); }

  friend bool operator<(const deadline& a, const deadline& b) noexcept { return a.when_ < b.when_; }

 protected:
  deadline() = default;
  ~deadline() = default;

 private:
  friend class deadlines;
  /// The time has come. It is no longer set, and may be set again.
  virtual void on_deadline() = 0;

  clock::time_point when_{};
};

/// The deadlines of one event loop. One timer, armed for the earliest: setting and taking back cost no system call
/// and no allocation, and what was taken back costs at most one spare wake-up per timeout's length.
class deadlines : public std::enable_shared_from_this<deadlines> {
 public:
  explicit deadlines(const boost::asio::any_io_executor& executor);

  /// Sets it, or moves it if it is set.
  void set(deadline& what, deadline::clock::time_point when);

  /// Lets the event loop end if nothing is left to wait for.
  void rest_if_empty();

 private:
  void arm();
  void on_timer();

  using set_type = boost::intrusive::multiset<deadline, boost::intrusive::constant_time_size<false>>;
  set_type set_;
  boost::asio::steady_timer timer_;
  deadline::clock::time_point armed_for_ = deadline::clock::time_point::max();
};

}  // namespace sallyport::detail

#endif
