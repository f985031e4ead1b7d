// main: the Qt module's tests, which need a QCoreApplication.
//
// SPDX-License-Identifier: Apache-2.0
#include <QtCore/QByteArray>
#include <QtCore/QCoreApplication>
#include <QtCore/QDeadlineTimer>
#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QList>
#include <QtCore/QThread>

#include <gmock/gmock.h>

namespace {

/// True if there is a thread besides this one and those that Qt keeps for look-ups, of names and of proxies.
bool has_other_threads() {
  const QList<QByteArray> kept{"Thread (pooled)\n", "QLibProxyWrappe\n"};
  for (const QString& id : QDir("/proc/self/task").entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
    if (id.toLongLong() == QCoreApplication::applicationPid()) continue;
    QFile name("/proc/self/task/" + id + "/comm");
    if (name.open(QIODevice::ReadOnly) && !kept.contains(name.readAll())) return true;
  }
  return false;
}

/// QThread::wait() returns while the thread still destroys its own variables, OpenSSL's among them, which a check for
/// leaks would find.
void wait_for_ending_threads() {
  const QDeadlineTimer until(std::chrono::seconds(10));
  while (has_other_threads() && !until.hasExpired()) QThread::msleep(1);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const QCoreApplication application(argc, argv);
  const int result = RUN_ALL_TESTS();
  wait_for_ending_threads();
  return result;
}
