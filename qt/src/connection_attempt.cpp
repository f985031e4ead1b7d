// connection_attempt: see connection_attempt.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "connection_attempt.hpp"

#include "ssl_socket_private.hpp"

#include <QtCore/QPointer>
#include <QtNetwork/QAuthenticator>
#include <QtNetwork/QNetworkProxy>

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace sallyport::qt {
namespace {

/// The one that Qt would use; SOCKS5 isn't left to it.
QNetworkProxy proxy_for(const QNetworkProxy& wanted, const QString& host, quint16 port) {
  if (wanted.type() != QNetworkProxy::DefaultProxy) return wanted;
  const QNetworkProxyQuery query(host, port, QString(), QNetworkProxyQuery::TcpSocket);
  for (const QNetworkProxy& each : QNetworkProxyFactory::proxyForQuery(query)) {
    const bool fits =
        each.type() == QNetworkProxy::NoProxy || each.type() == QNetworkProxy::Socks5Proxy ||
        (each.type() == QNetworkProxy::HttpProxy && each.capabilities().testFlag(QNetworkProxy::TunnelingCapability));
    if (fits) return each;
  }
  return QNetworkProxy(QNetworkProxy::NoProxy);
}

}  // namespace

/// As long as there is one the inner socket can't be deleted at once.
class connection_attempt::frame {
 public:
  explicit frame(const connection_attempt& of) : frames_(of.frames_) { ++frames_->count; }
  ~frame() {
    // Not before: deleteLater() within a nested event loop comes true in that loop, with these frames below it.
    if (--frames_->count == 0 && frames_->orphan) frames_->orphan->deleteLater();
  }
  frame(const frame&) = delete;
  frame& operator=(const frame&) = delete;

 private:
  const std::shared_ptr<frames> frames_;
};

connection_attempt::connection_attempt(SslSocketPrivate& socket) : socket_(socket), inner_(new QTcpSocket(&socket.q)) {}

connection_attempt::~connection_attempt() {
  stop_listening();
  if (frames_->count == 0) {
    delete inner_;
    return;
  }
  inner_->abort();
  inner_->setParent(nullptr);  // the socket may be deleted right now
  frames_->orphan = inner_;
}

void connection_attempt::stop_listening() { delete std::exchange(relay_, nullptr); }

void connection_attempt::listen_to_inner() {
  relay_ = new QObject(inner_);  // goes with it to another thread
  const auto on = [this](auto signal, auto slot) {
    QObject::connect(inner_, signal, relay_, [this, slot](auto... arguments) {
      const frame inside(*this);
      slot(arguments...);  // this may be gone afterwards
    });
  };
  on(&QTcpSocket::stateChanged, [this](QAbstractSocket::SocketState state) { on_state(state); });
  on(&QTcpSocket::hostFound, [this] {
    if (!socks5_) socket_.tell([&q = socket_.q] { Q_EMIT q.hostFound(); });  // else it is the proxy that was found
  });
  on(&QTcpSocket::connected, [this] { on_connected(); });
  on(&QTcpSocket::readyRead, [this] { on_ready_read(); });
  on(&QTcpSocket::errorOccurred, [this](QAbstractSocket::SocketError error) { on_error(error); });
  QObject::connect(inner_, &QTcpSocket::proxyAuthenticationRequired, relay_,
                   [this](const QNetworkProxy& proxy, QAuthenticator* authenticator) {
                     const frame inside(*this);
                     socket_.tell([&, &q = socket_.q] { Q_EMIT q.proxyAuthenticationRequired(proxy, authenticator); });
                   });
}

void connection_attempt::begin(const QString& host, quint16 port, QAbstractSocket::NetworkLayerProtocol protocol) {
  const frame inside(*this);
  host_ = host;
  port_ = port;
  listen_to_inner();
  const QNetworkProxy proxy = proxy_for(socket_.q.proxy(), host, port);
  if (proxy.type() == QNetworkProxy::Socks5Proxy) {
    socks5_.emplace(host, port, proxy.user(), proxy.password());
    inner_->setProxy(QNetworkProxy(QNetworkProxy::NoProxy));
    inner_->connectToHost(proxy.hostName(), proxy.port());
    return;
  }
  inner_->setProxy(proxy);
  inner_->setProtocolTag(socket_.q.protocolTag());
  inner_->connectToHost(host, port, QIODevice::ReadWrite, protocol);
}

void connection_attempt::on_state(QAbstractSocket::SocketState state) {
  // Whoever is connected or has failed is told with what comes next.
  if (state == QAbstractSocket::HostLookupState || state == QAbstractSocket::ConnectingState) socket_.tell_state(state);
}

void connection_attempt::on_connected() {
  if (!socks5_) return hand_over();
  inner_->write(socks5_->greeting());
}

void connection_attempt::on_ready_read() {
  if (!socks5_) return;
  QByteArray input = inner_->peek(inner_->bytesAvailable());
  const qsizetype size = input.size();
  QByteArray output;
  const auto made = socks5_->step(input, output);
  inner_->skip(size - input.size());
  if (!output.isEmpty()) inner_->write(output);
  if (made == socks5_dialogue::progress::connected) hand_over();
  if (made == socks5_dialogue::progress::failed) fail(socks5_->error(), socks5_->sentence());
}

void connection_attempt::on_error(QAbstractSocket::SocketError error) {
  if (!socks5_) return fail(error, inner_->errorString());
  switch (error) {
    case QAbstractSocket::ConnectionRefusedError:
      return fail(QAbstractSocket::ProxyConnectionRefusedError, QStringLiteral("Connection to proxy refused"));
    case QAbstractSocket::RemoteHostClosedError:
      return fail(QAbstractSocket::ProxyConnectionClosedError,
                  QStringLiteral("Connection to proxy closed prematurely"));
    case QAbstractSocket::HostNotFoundError:
      return fail(QAbstractSocket::ProxyNotFoundError, QStringLiteral("Proxy host not found"));
    case QAbstractSocket::SocketTimeoutError:
      return fail(QAbstractSocket::ProxyConnectionTimeoutError, QStringLiteral("Connection to proxy timed out"));
    default:
      return fail(error, inner_->errorString());
  }
}

void connection_attempt::hand_over() {
  const int descriptor = ::fcntl(static_cast<int>(inner_->socketDescriptor()), F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) return fail(QAbstractSocket::SocketResourceError, QStringLiteral("Out of resources"));
  stop_listening();
  is_over_ = true;
  SslSocketPrivate::connected_peer peer{inner_->localAddress(), inner_->localPort(), inner_->peerAddress(),
                                        inner_->peerPort(),     inner_->peerName(),  inner_->readAll()};
  if (socks5_) {
    peer.address = QHostAddress(host_);
    peer.port = port_;
    peer.name = host_;
  }
  inner_->abort();  // closes its own descriptor, and sends nothing
  socket_.on_connected(descriptor, peer);
}

void connection_attempt::fail(QAbstractSocket::SocketError error, const QString& sentence) {
  stop_listening();
  is_over_ = true;
  inner_->abort();
  socket_.on_connecting_failed(error, sentence, true);
}

void connection_attempt::wait(QDeadlineTimer deadline) {
  const auto remaining = [&deadline] {
    return deadline.isForever() ? -1 : static_cast<int>(std::min<qint64>(deadline.remainingTime(), 24 * 3600 * 1000));
  };
  const frame inside(*this);
  const QPointer<QObject> underway(relay_);  // if it is gone this may be, too
  QTcpSocket* const inner = inner_;
  if (underway && inner->state() != QAbstractSocket::ConnectedState) inner->waitForConnected(remaining());
  while (underway && inner->state() == QAbstractSocket::ConnectedState)
    if (!inner->waitForReadyRead(remaining())) break;
  if (!underway) return;
  // It has told nobody that the time is over, except by its state.
  stop_listening();
  is_over_ = true;
  const QString sentence = inner->state() == QAbstractSocket::ConnectedState
                               ? QStringLiteral("Socket operation timed out")
                               : inner->errorString();
  inner->abort();
  socket_.on_connecting_failed(QAbstractSocket::SocketTimeoutError, sentence, false);
}

}  // namespace sallyport::qt
