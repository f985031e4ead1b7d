// ssl_socket: see ssl_socket.hpp; its life, its state, and what it knows of the peer.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "lingering_descriptor.hpp"
#include "ssl_configuration_data.hpp"
#include "to_qt.hpp"

#include <QtCore/QMetaMethod>
#include <QtNetwork/QHostAddress>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace sallyport::qt {
namespace {

struct address_and_port {
  QHostAddress address{};
  quint16 port = 0;
};

using name_function = int (*)(int, sockaddr*, socklen_t*);

address_and_port name_of(int descriptor, name_function ask) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  auto* const any = reinterpret_cast<sockaddr*>(&name);
  if (ask(descriptor, any, &size) != 0) return {};
  if (name.ss_family == AF_INET) return {QHostAddress(any), ntohs(reinterpret_cast<const sockaddr_in*>(any)->sin_port)};
  if (name.ss_family == AF_INET6)
    return {QHostAddress(any), ntohs(reinterpret_cast<const sockaddr_in6*>(any)->sin6_port)};
  return {};  // a socketpair
}

bool is_stream(int descriptor) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

}  // namespace

SslSocketPrivate::~SslSocketPrivate() {
  if (deaths) ++*deaths;
  abandon_telling();
  if (is_in_cork_list) loop_window::of_this_thread().uncork(*this);
  if (descriptor >= 0) release_descriptor(ending::orderly);
}

void SslSocketPrivate::forget_connection() {
  abandon_telling();
  if (descriptor >= 0) release_descriptor(ending::orderly);
  attempt.reset();
  tls.reset();
  listener = nullptr;
  mode = SslSocket::UnencryptedMode;
  stage = socket_stage::idle;
  incoming.clear();
  forget_unsent();
  leftover = std::vector<std::byte>();
  received = written_untold = sent_untold = 0;
  end = input_end::none;
  end_error = QAbstractSocket::UnknownSocketError;
  end_sentence.clear();
  events_untold.clear();
  is_blocked = has_more_input = kernel_has_ended = cannot_send = false;
  kernel_error = 0;
  ready_read_due = encrypted_due = is_encrypted = end_due = false;
  is_closing = awaits_tls = tells_closing_once = close_notify_done = stream_is_complete = keeps_addresses = false;
  interrupt_is_continued = is_paused_on_errors = errors_were_refused = false;
  if (usual_verify_name) peer_verify_name = *std::exchange(usual_verify_name, std::nullopt);
  peer_chain.clear();
  handshake_errors.clear();
  failure.reset();
  failure_sentence.clear();
  server_name.clear();
  group.clear();
  matched_rule.clear();
  key_identity.clear();
  is_resumed = false;
}

void SslSocketPrivate::adopt(int connected_descriptor, QIODevice::OpenMode open_mode) {
  forget_connection();
  descriptor = connected_descriptor;
  ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  // Unlike setOpenMode() it drops what QIODevice has buffered of the connection before. Unbuffered: what has been
  // decrypted is buffered here already.
  q.QIODevice::open(open_mode | QIODevice::Unbuffered);
  q.setErrorString(QString());
  q.setSocketError(QAbstractSocket::UnknownSocketError);
  const auto local = name_of(descriptor, ::getsockname);
  q.setLocalAddress(local.address);
  q.setLocalPort(local.port);
  const auto peer = name_of(descriptor, ::getpeername);
  q.setPeerAddress(peer.address);
  q.setPeerPort(peer.port);
  q.setSocketState(QAbstractSocket::ConnectedState);
  stage = socket_stage::plain;
  notifier = new socket_notifier(*this, descriptor);
}

void SslSocketPrivate::abandon_telling() {
  emissions.end_all();
  is_telling_ready_read = is_telling_written = is_in_handshake_turn = is_corked = false;
  asked_now = handshake_question::none;
  if (is_in_cork_list) {
    is_in_cork_list = false;
    loop_window::of_this_thread().uncork(*this);
  }
}

/// Still on the old thread, from within moveToThread(). What is posted goes along.
void SslSocketPrivate::on_thread_change() {
  if (listener != nullptr && !listener->goes_along_with(q)) listener = nullptr;
  abandon_telling();
  go_on_soon();
}

void SslSocketPrivate::go_on_soon() {
  if (go_on_is_posted) return;
  go_on_is_posted = true;
  const auto go_on_now = [this] {
    go_on_is_posted = false;
    go_on();
  };
  QMetaObject::invokeMethod(&q, go_on_now, Qt::QueuedConnection);
}

SslSocket::SslSocket(QObject* parent) : QTcpSocket(parent), d_(std::make_unique<SslSocketPrivate>(*this)) {}

SslSocket::~SslSocket() {
  // As Qt's, it tells its end from its destructor; of a handshake the server must hear, too.
  d_->attempt.reset();
  if (d_->stage == socket_stage::handshake)
    d_->end_handshake(handshake_error::aborted, SslHandshakeFailedError,
                      QStringLiteral("the application deleted the socket during the handshake"));
  else if (d_->stage != socket_stage::idle)
    d_->end_connection(SslSocketPrivate::ending::orderly);
  d_->forget_connection();
  setSocketState(UnconnectedState);  // for QAbstractSocket's destructor
}

bool SslSocket::setSocketDescriptor(qintptr socketDescriptor, SocketState state, OpenMode openMode) {
  const int descriptor = static_cast<int>(socketDescriptor);
  if (descriptor < 0 || state != ConnectedState || !is_stream(descriptor)) {
    setSocketError(UnsupportedSocketOperationError);
    setErrorString(QStringLiteral("The descriptor is not a connected TCP socket"));
    return false;
  }
  if (d_->stage != socket_stage::idle) {
    const QPointer<SslSocket> self(this);
    abort();
    if (!self) return false;
  }
  d_->adopt(descriptor, openMode);
  Q_EMIT stateChanged(ConnectedState);
  return true;
}

qintptr SslSocket::socketDescriptor() const { return d_->descriptor; }

SslSocket::SslMode SslSocket::mode() const { return d_->mode; }
bool SslSocket::isEncrypted() const { return d_->is_encrypted; }

QSsl::SslProtocol SslSocket::sessionProtocol() const {
  return d_->tls ? to_qt(d_->tls->version()) : QSsl::UnknownProtocol;
}

QSslCipher SslSocket::sessionCipher() const {
  return d_->tls ? cipher_to_qt(d_->tls->cipher_openssl_name()) : QSslCipher();
}

QSslCertificate SslSocket::peerCertificate() const {
  return d_->peer_chain.empty() ? QSslCertificate() : to_qt(d_->peer_chain.front());
}
QList<QSslCertificate> SslSocket::peerCertificateChain() const { return to_qt(d_->peer_chain); }
QList<QSslError> SslSocket::sslHandshakeErrors() const { return d_->handshake_errors; }
QList<QOcspResponse> SslSocket::ocspResponses() const { return {}; }

QString SslSocket::serverName() const { return d_->server_name; }
bool SslSocket::isSessionResumed() const { return d_->is_resumed; }
QString SslSocket::keyExchangeGroup() const { return d_->group; }
QString SslSocket::matchedRule() const { return d_->matched_rule; }
QByteArray SslSocket::preSharedKeyIdentity() const { return d_->key_identity; }
bool SslSocket::isStreamComplete() const { return d_->stream_is_complete; }
std::optional<handshake_error> SslSocket::handshakeFailure() const { return d_->failure; }
QString SslSocket::handshakeFailureSentence() const { return d_->failure_sentence; }

}  // namespace sallyport::qt
