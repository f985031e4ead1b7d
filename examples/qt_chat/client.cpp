// A chat window: lines of all guests above, one's own below.
//
//     qt_chat_client [--host localhost] [--port 8444] [--ca FILE] [--name NAME] [--say TEXT] [--print]
//
// --ca: who vouches for the server, instead of the system's CAs. --say: says that, once it is there. --print: prints
// what the window shows, too.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/SslSocket>

#include <QApplication>
#include <QCommandLineParser>
#include <QLineEdit>
#include <QMainWindow>
#include <QMessageBox>
#include <QTextEdit>
#include <QTextStream>
#include <QVBoxLayout>

using sallyport::qt::SslSocket;

namespace {

class Window : public QMainWindow {
 public:
  Window(QString name, bool prints) : name_(std::move(name)), prints_(prints) {
    auto* const panel = new QWidget(this);
    auto* const layout = new QVBoxLayout(panel);
    layout->addWidget(&lines_);
    layout->addWidget(&input_);
    setCentralWidget(panel);
    lines_.setReadOnly(true);

    connect(&input_, &QLineEdit::returnPressed, this, [this] {
      say(input_.text());
      input_.clear();
    });
    connect(&socket_, &SslSocket::encrypted, this,
            [this] { show_line(tr("* You are in, by %1").arg(socket_.sessionCipher().protocolString())); });
    connect(&socket_, &SslSocket::readyRead, this, [this] {
      while (socket_.canReadLine()) show_line(QString::fromUtf8(socket_.readLine().trimmed()));
    });
    connect(&socket_, &SslSocket::sslErrors, this, &Window::ask);
    connect(&socket_, &SslSocket::errorOccurred, this, [this] { show_line(tr("* %1").arg(socket_.errorString())); });
    connect(&socket_, &SslSocket::disconnected, this, [this] { input_.setEnabled(false); });
    socket_.setPauseMode(QAbstractSocket::PauseOnSslErrors);
  }

  void enter(const QString& host, quint16 port, const QString& ca) {
    if (!ca.isEmpty()) {
      auto configuration = socket_.sslConfiguration();
      configuration.setCaCertificates(QSslCertificate::fromPath(ca));
      socket_.setSslConfiguration(configuration);
    }
    socket_.connectToHostEncrypted(host, port);
  }

  /// Before the connection is there, too: it is sent then.
  void say(const QString& text) { socket_.write(tr("%1: %2\n").arg(name_, text).toUtf8()); }

 private:
  void show_line(const QString& line) {
    lines_.append(line.toHtmlEscaped());
    if (prints_) QTextStream(stdout) << line << Qt::endl;
  }

  /// The handshake waits for the answer, and the window doesn't. Only these errors are forgiven, and only now.
  void ask(const QList<QSslError>& errors) {
    QStringList sentences;
    for (const QSslError& error : errors) sentences << error.errorString();
    show_line(tr("* %1's certificate: %2").arg(socket_.peerName(), sentences.join(QStringLiteral("; "))));
    const auto fingerprint = socket_.peerCertificate().digest(QCryptographicHash::Sha256).toHex(':');
    auto* const question = new QMessageBox(
        QMessageBox::Warning, tr("Who is this?"),
        tr("Somebody could be pretending to be %1:\n\n%2\n\nIs this the certificate's SHA-256 fingerprint, as you know "
           "it from elsewhere?\n\n%3")
            .arg(socket_.peerName(), sentences.join(QLatin1Char('\n')), QString::fromLatin1(fingerprint)),
        QMessageBox::Yes | QMessageBox::No, this);
    question->setDefaultButton(QMessageBox::No);
    question->setAttribute(Qt::WA_DeleteOnClose);
    connect(question, &QMessageBox::finished, this, [this, errors](int answer) {
      if (answer == QMessageBox::Yes) socket_.ignoreSslErrors(errors);
      socket_.resume();
    });
    question->open();
  }

  const QString name_;
  const bool prints_;
  QTextEdit lines_;
  QLineEdit input_;
  SslSocket socket_;  // the last: it goes first, and its last signals find the widgets
};

}  // namespace

int main(int argc, char** argv) {
  QApplication application(argc, argv);
  QCommandLineParser given;
  for (const auto& [name, otherwise] :
       {std::pair{"host", "localhost"}, {"port", "8444"}, {"ca", ""}, {"name", "guest"}, {"say", ""}})
    given.addOption({QString::fromUtf8(name), QString(), QStringLiteral("VALUE"), QString::fromUtf8(otherwise)});
  given.addOption(QCommandLineOption(QStringLiteral("print")));
  given.process(application);
  const auto value = [&given](const char* name) { return given.value(QString::fromUtf8(name)); };
  Window window(value("name"), given.isSet(QStringLiteral("print")));
  window.show();
  window.enter(value("host"), value("port").toUShort(), value("ca"));
  if (given.isSet(QStringLiteral("say"))) window.say(value("say"));
  return QApplication::exec();
}
