// server_state: what an ssl_server is on the inside; it lives on while connections or waits need it.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_state.hpp"

#include "address.hpp"
#include "scope_exit.hpp"
#include "server_registry.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

// Clients taken from the kernel in one go, before the loop serves others.
constexpr int accepts_per_turn = 16;

// Handshakes that wait for their turn before accepting pauses. Clients taken faster than they are listened to would
// displace others that have said long ago what they want.
constexpr std::size_t max_waiting_handshakes = 16;

// How long accept() rests when the process or the system has run out of something.
constexpr std::chrono::milliseconds min_back_off{10};
constexpr std::chrono::milliseconds max_back_off{1000};

// Connections that are over and wait for the peer's end. Whoever makes more of them finds the oldest cut off, so that
// they can't use up the descriptors.
constexpr std::size_t max_lingering = 256;

// What may have been read from a socket before adopt(). It has to fit into the loop's window beside what comes next.
constexpr std::size_t max_already_read = 64 * 1024;

// What wait_for_new_connection() runs of what is ready when its time is over: enough that a caller without any time
// gets on, and not for ever if some handler always starts the next one.
constexpr int handlers_after_time = 64;

/// Something has run out: trying again at once would spin.
bool is_exhaustion(int error) {
  switch (error) {
    case ECONNABORTED:  // the client was gone before it was accepted
    case EPROTO:
    case EPERM:  // a firewall rule
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
    case ENOPROTOOPT:
      return false;  // errors of one new connection, which accept(2) hands on
    default:
      return true;
  }
}

/// Slots may throw. What is due to several connections is done for all of them first, and then the first exception
/// goes on.
class first_exception {
 public:
  template <class Function>
  void guard(Function function) noexcept {
    try {
      function();
    } catch (...) {
      if (!first_) first_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (first_) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

connection& owner_of(place& taken) {
  return *boost::intrusive::get_parent_from_member(&taken, &connection::handshake_place);
}

}  // namespace

server_state::server_state(asio::any_io_executor executor)
    : executor_(std::move(executor)),
      loop_(std::make_shared<sallyport::detail::loop>(executor_)),
      listener_(executor_),
      back_off_timer_(executor_),
      drain_timer_(executor_) {
  server_registry::of(executor_).add(*this);
}

server_state::~server_state() {
  loop_->stop_watching(*this);
  if (!context_is_gone_) server_registry::of(executor_).remove(*this);
}

result<context> server_state::make_context(ssl_configuration from) {
  if (!from.tickets) {
    if (!own_tickets) {
      auto made = ticket_keys::random();
      if (!made) return made.error();
      own_tickets = *std::move(made);
    }
    from.tickets = own_tickets;
  }
  return context::make(from);
}

// --- accepting ---

error_code server_state::listen(const listener::endpoint& endpoint, const listen_options& options) {
  if (listener_.is_open()) return asio::error::already_open;
  const std::string name = listener::name_of(endpoint);
  if (!configuration) return note_error(asio::error::invalid_argument, name, "no configuration is set");
  error_code ec = listener_.open(endpoint, options);
  if (!ec) ec = start_listening();
  if (!ec) return {};
  listener_.close();
  return note_error(ec, name, ec.message());
}

error_code server_state::set_socket_descriptor(int descriptor) {
  if (listener_.is_open()) return asio::error::already_open;
  const std::string name = "descriptor " + std::to_string(descriptor);
  if (!configuration) return note_error(asio::error::invalid_argument, name, "no configuration is set");
  if (const auto taken = listener_.take(descriptor); taken.has_error())
    return note_error(taken.error().code, name, taken.error().detail);
  const error_code ec = start_listening();
  if (!ec) return {};
  listener_.give_back();
  return note_error(ec, name, ec.message());
}

error_code server_state::start_listening() {
  try {
    loop_->watch(*this, listener_.descriptor());
  } catch (const boost::system::system_error& failure) {
    return failure.code();
  }
  if (drain_) {  // what comes now isn't to be drained
    drain_timer_.cancel();
    std::exchange(drain_, {}).complete_later(asio::error::operation_aborted);
  }
  paused_ = false;
  is_closed_ = false;
  wait_for_clients();
  return {};
}

error_code server_state::note_error(error_code ec, const std::string& what, const std::string& reason) noexcept {
  server_error_ = ec;
  try {
    error_string_ = what + ": " + reason;
  } catch (const std::exception&) {
    error_string_.clear();  // out of memory: the code has to do
  }
  return ec;
}

void server_state::report_accept_error(error_code ec, const std::string& what, const std::string& reason) {
  note_error(ec, what, reason);
  accept_error(ec);
}

void server_state::pause_accepting() {
  if (!listener_.is_open()) return;
  paused_ = true;
  loop_->stop_wanting_input(*this);
  if (neighbours != nullptr) neighbours->note_accepting(false);
}

void server_state::resume_accepting() {
  paused_ = false;
  wait_for_clients();
}

bool server_state::may_accept() const noexcept {
  return listener_.is_open() && !paused_ && !backs_off_ && queue_.size() < max_pending_connections &&
         !has_enough_handshakes();
}

/// Those that wait for a worker thread are like those that wait for their turn.
bool server_state::has_enough_handshakes() const noexcept {
  const std::size_t workers = handshake_workers ? handshake_workers->size() : 0;
  return loop_->waiting_handshakes() + loans_ >= max_waiting_handshakes + workers;
}

void server_state::wait_for_clients() {
  if (neighbours != nullptr) neighbours->note_accepting(may_accept());
  loop_->set_turn_soon(*this, loop_->waiting_handshakes() >= max_waiting_handshakes);
  if (may_accept()) loop_->want_input(*this);
}

void server_state::on_clients() {
  const auto self = shared_from_this();                    // a slot may destroy the server
  const scope_exit go_on([this] { wait_for_clients(); });  // also when a slot throws
  const auto tell = [this](const error_code& ec) {
    report_accept_error(ec, listener::name_of(listener_.local_endpoint()), ec.message());
  };
  for (int accepts = 0; accepts < accepts_per_turn && may_accept(); ++accepts) {
    accepted_descriptor accepted;
    const error_code ec = listener_.accept(accepted);
    if (!ec) {
      back_off_time_ = std::chrono::milliseconds(0);
      if (neighbours != nullptr && neighbours->pass_on(accepted)) continue;
      admit(accepted.descriptor, accepted.peer, listener_.endpoint_of_all());
    } else if (ec == asio::error::would_block || ec == asio::error::try_again) {
      return;
    } else if (ec == asio::error::interrupted) {
      continue;
    } else if (!is_exhaustion(ec.value())) {
      tell(ec);
    } else if (!listener_.has_client()) {
      return;  // accept() wants a descriptor before it looks whether somebody is there
    } else {
      const bool is_of_descriptors = ec.value() == EMFILE || ec.value() == ENFILE;
      const room made = is_of_descriptors ? make_room_for_descriptor() : room::none;
      if (made == room::soon) return;
      if (made == room::made) continue;
      back_off();
      return tell(ec);
    }
  }
}

/// Neither clients that don't go nor silent ones may keep new ones out by holding all descriptors. Silent is who has
/// said nothing so far, and not who hasn't been listened to yet.
server_state::room server_state::make_room_for_descriptor() {
  if (!lingering_.empty()) {
    lingering_.front().shared_from_this()->close_descriptor();
    return room::made;
  }
  place* const oldest = places_.oldest_without_client_hello();
  if (oldest == nullptr) return room::none;
  if (owner_of(*oldest).is_unheard()) return room::soon;
  owner_of(*oldest).fail_handshake(handshake_error::evicted, "gave its descriptor to a newer client");
  return room::made;
}

void server_state::back_off() {
  backs_off_ = true;
  back_off_time_ = std::clamp(back_off_time_ * 2, min_back_off, max_back_off);
  back_off_timer_.expires_after(back_off_time_);
  back_off_timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    if (ec) return;
    self->backs_off_ = false;
    self->wait_for_clients();
  });
}

void server_state::admit(int descriptor, const listener::endpoint& peer, const std::optional<listener::endpoint>& local,
                         std::span<const std::byte> already_read) {
  std::shared_ptr<connection> accepted;
  try {
    accepted = std::make_shared<connection>(shared_from_this(), descriptor, peer, local);
  } catch (const std::exception& failure) {
    ::close(descriptor);
    const auto* const by_kernel = dynamic_cast<const boost::system::system_error*>(&failure);
    const error_code reason = by_kernel != nullptr ? by_kernel->code() : error_code(asio::error::no_memory);
    return report_accept_error(reason, to_text(peer), reason.message());
  }
  const auto address = share_of(peer);
  const auto stops = stops_;
  first_exception thrown;
  while (place* const displaced = places_.displaced_by(address))
    thrown.guard([displaced] {
      owner_of(*displaced).fail_handshake(handshake_error::evicted, "gave its place to a newer client");
    });
  if (stops == stops_) {  // otherwise a slot has closed the server: nothing is let in any more
    add(*accepted);
    places_.take(accepted->handshake_place, address);
    accepted->start(deadline::clock::now() + handshake_timeout, already_read);
  }
  thrown.rethrow();
}

void server_state::take_over(const accepted_descriptor& accepted) {
  if (!listener_.is_open()) {
    ::close(accepted.descriptor);
    return;
  }
  const auto self = shared_from_this();  // a slot may destroy the server
  const scope_exit tell([this] { wait_for_clients(); });
  admit(accepted.descriptor, accepted.peer, listener_.endpoint_of_all());
}

void server_state::adopt(asio::generic::stream_protocol::socket socket, std::span<const std::byte> already_read) {
  const auto self = shared_from_this();  // a slot may destroy the server
  const auto refuse = [&](error_code ec, const std::string& reason) {
    error_code ignored;
    socket.close(ignored);
    report_accept_error(ec, "adopted connection", reason);
  };
  if (!configuration) return refuse(asio::error::invalid_argument, "no configuration is set");
  if (is_closed_ || drain_) return refuse(asio::error::operation_aborted, "the server is closed");
  if (already_read.size() > max_already_read)
    return refuse(asio::error::message_size, std::to_string(already_read.size()) + " bytes were read before, and " +
                                                 std::to_string(max_already_read) + " are the most that may be");
  error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  const int descriptor = socket.release(ec);
  if (ec) return refuse(ec, ec.message());
  if (peer.protocol().family() != AF_UNIX) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // as the listener's have it
  }
  admit(descriptor, peer, std::nullopt, already_read);
}

void server_state::add(connection& opened) noexcept {
  connections_.push_back(opened);
  if (neighbours != nullptr) neighbours->connection_added();
}

void server_state::remove(connection& closed) {
  if (closed.among_lingering.is_linked()) lingering_.erase(lingering_.iterator_to(closed));
  if (!closed.among_connections.is_linked()) return;
  connections_.erase(connections_.iterator_to(closed));
  if (neighbours != nullptr) neighbours->connection_removed();
  if (context_is_gone_) return;
  if (std::exchange(backs_off_, false)) {  // a descriptor is free again
    back_off_timer_.cancel();
    wait_for_clients();
  }
  if (!connections_.empty()) return;
  if (!listener_.is_open()) loop_->deadlines().rest_if_empty();
  if (drain_) end_drain({});
}

void server_state::note_end_of_loan() {
  --loans_;
  if (!context_is_gone_) wait_for_clients();
}

void server_state::note_lingering(connection& lingering) {
  lingering_.push_back(lingering);
  if (lingering_.size() > max_lingering) lingering_.front().shared_from_this()->close_descriptor();
}

// --- the queue ---

void server_state::enqueue(std::shared_ptr<connection> complete) {
  if (!waiting_.empty()) {
    auto first = std::move(waiting_.front());
    waiting_.pop_front();
    return first.operation.complete({}, connection::hand_out(std::move(complete)));
  }
  queue_.push_back(std::move(complete));
  pending_connection_available();
}

std::shared_ptr<connection> server_state::take_pending() {
  if (queue_.empty()) return nullptr;
  auto first = std::move(queue_.front());
  queue_.pop_front();
  wait_for_clients();
  return first;
}

void server_state::start_accept(accept_handler handler) {
  const auto number = ++next_waiting_number_;
  pending_operation<error_code, ssl_socket> operation(std::move(handler), executor_, [weak = weak_from_this(), number] {
    if (const auto self = weak.lock()) self->cancel_accept(number);
  });
  if (auto first = take_pending()) return operation.complete_later({}, connection::hand_out(std::move(first)));
  if (is_closed_) return operation.complete_later(asio::error::operation_aborted, ssl_socket());
  waiting_.push_back({number, std::move(operation)});
}

void server_state::cancel_accept(std::uint64_t number) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [number](const waiting_accept& waiting) { return waiting.number == number; });
  if (found == waiting_.end()) return;
  auto cancelled = std::move(found->operation);
  waiting_.erase(found);
  cancelled.complete_later(asio::error::operation_aborted, ssl_socket());
}

bool server_state::wait_for_new_connection(std::optional<std::chrono::milliseconds> timeout, bool* timed_out) {
  using clock = std::chrono::steady_clock;
  const auto self = shared_from_this();  // a slot may destroy the server
  if (timed_out != nullptr) *timed_out = false;
  const std::string name = "waiting for a connection";
  const auto fail = [&](error_code ec, const std::string& reason) {
    note_error(ec, name, reason);
    return false;
  };
  const auto* const runs = executor_.target<asio::io_context::executor_type>();
  if (runs == nullptr) return fail(asio::error::operation_not_supported, "the server's executor isn't an io_context's");
  if (runs->running_in_this_thread())
    return fail(asio::error::operation_not_supported, "a handler of the same io_context can't");
  if (!queue_.empty()) return true;
  if (!listener_.is_open()) return false;

  auto& context = runs->context();
  if (context.stopped()) context.restart();  // run() has ended for want of work
  // A server that has paused is no work for the context, which would then stop at once, and at the end of this one.
  std::optional work(asio::make_work_guard(context));
  const scope_exit leave([&] {
    const bool by_user = context.stopped();
    work.reset();
    if (!by_user && context.stopped()) context.restart();
  });
  const auto give_up = timeout ? clock::now() + *timeout : clock::time_point::max();
  for (int late = 0; queue_.empty() && listener_.is_open();) {
    if (context.stopped()) return fail(asio::error::operation_aborted, "the io_context was stopped");
    if (clock::now() < give_up) {
      context.run_one_until(give_up);
    } else if (late++ == handlers_after_time || context.poll_one() == 0) {
      if (timed_out != nullptr) *timed_out = true;
      return fail(asio::error::timed_out, "none came within " + std::to_string(timeout->count()) + " ms");
    }
  }
  return !queue_.empty();
}

// --- the end ---

/// Nobody comes any more.
void server_state::stop_waiting_accepts() {
  is_closed_ = true;
  for (auto& waiting : std::exchange(waiting_, {}))
    waiting.operation.complete_later(asio::error::operation_aborted, ssl_socket());
}

void server_state::stop_listening() {
  ++stops_;
  loop_->stop_watching(*this);
  listener_.close();
  if (neighbours != nullptr) neighbours->note_accepting(false);
  back_off_timer_.cancel();
  backs_off_ = false;
}

void server_state::close() {
  const auto self = shared_from_this();  // a slot may destroy the server
  stop_listening();
  stop_waiting_accepts();
  first_exception thrown;
  while (place* const oldest = places_.oldest())
    thrown.guard([oldest] { owner_of(*oldest).fail_handshake(handshake_error::aborted, "the server was closed"); });
  for (const auto& pending : std::exchange(queue_, {})) pending->abort();
  if (connections_.empty()) loop_->deadlines().rest_if_empty();
  thrown.rethrow();
}

void server_state::destroy() {
  pending_connection_available.disconnect_all_slots();
  started_encryption_handshake.disconnect_all_slots();
  alert_sent.disconnect_all_slots();
  alert_received.disconnect_all_slots();
  peer_verify_error.disconnect_all_slots();
  ssl_errors.disconnect_all_slots();
  handshake_interrupted_on_error.disconnect_all_slots();
  pre_shared_key_authentication_required.disconnect_all_slots();
  error_occurred.disconnect_all_slots();
  accept_error.disconnect_all_slots();
  if (context_is_gone_) return;
  if (drain_) end_drain(asio::error::operation_aborted);  // before the last connection goes, which would be a success
  close();
  abort_connections();
}

void server_state::abort_connections() {
  first_exception thrown;
  while (!connections_.empty()) thrown.guard([first = connections_.front().shared_from_this()] { first->abort(); });
  thrown.rethrow();
}

void server_state::start_drain(std::chrono::milliseconds deadline, shutdown_handler handler) {
  pending_operation<error_code> operation(std::move(handler), executor_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->drain_) self->end_drain(asio::error::operation_aborted);
  });
  if (drain_) return operation.complete_later(asio::error::in_progress);
  stop_listening();
  drain_ = std::move(operation);
  loop_->deadlines().rest_if_empty();  // what connections that went before have left armed
  if (connections_.empty()) return end_drain({});
  drain_timer_.expires_after(deadline);
  drain_timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    // Another drain may have begun after this one's time was up.
    if (!ec && self->drain_ && self->drain_timer_.expiry() <= std::chrono::steady_clock::now()) self->force_drain();
  });
}

void server_state::force_drain() {
  // What only lingers is over for its user: ending it cuts nobody off.
  const bool forced = std::any_of(connections_.begin(), connections_.end(), [](const connection& open) {
    return open.current_state() != connection::state::lingering;
  });
  auto operation = std::exchange(drain_, {});
  stop_waiting_accepts();
  const auto pending = std::exchange(queue_, {});  // aborted with the others
  const scope_exit tell([&] { operation.complete_later(forced ? error_code(asio::error::timed_out) : error_code()); });
  abort_connections();
}

void server_state::end_drain(error_code ec) {
  drain_timer_.cancel();
  stop_waiting_accepts();
  std::exchange(drain_, {}).complete_later(ec);
}

void server_state::drop_everything() {
  context_is_gone_ = true;
  loop_->stop_watching(*this);
  listener_.close();
  loop_->drop_everything();
  // Each handler that is dropped may own sockets and, through a coroutine, anything else.
  for (auto& waiting : std::exchange(waiting_, {})) waiting.operation.drop();
  std::exchange(drain_, {}).drop();
  const auto queued = std::exchange(queue_, {});
  while (!connections_.empty()) connections_.front().shared_from_this()->drop_everything();
}

}  // namespace sallyport::detail
